//! Reading a contact that was sent.

use error::Reason;
use field_types::{FieldError, moment};
use input::{Input, choice};
use proto::records::v1 as pb;
use serde_json::Value;

use crate::App;
use crate::contact_points;

/// Reads the fields named; all violations at once.
pub(crate) fn read(c: &pb::Contact, names: &[&str], app: &App) -> Input {
    let mut input = Input::default();
    let now = app.env.clock.now();
    for name in names {
        match *name {
            "owner_id" => input.id("owner_id", c.owner_id.as_deref()),
            "team_id" => input.id("team_id", c.team_id.as_deref()),
            "external_ids" => input.external_ids(&c.external_ids),
            "tags" => input.tags(&c.tags),
            "first_name" => input.line("first_name", c.first_name.as_deref(), 100),
            "last_name" => input.line("last_name", c.last_name.as_deref(), 100),
            "job_title" => input.line("job_title", c.job_title.as_deref(), 200),
            "department" => input.line("department", c.department.as_deref(), 200),
            "emails" => contact_points::read_emails(&mut input, &c.emails),
            "phones" => contact_points::read_phones(&mut input, &c.phones, app.env.region),
            "addresses" => contact_points::read_addresses(&mut input, &c.addresses),
            "language" => input.checked("language", c.language.as_deref(), language),
            "timezone" => input.checked("timezone", c.timezone.as_deref(), timezone),
            "birthday" => input.checked("birthday", c.birthday.as_deref(), |text| birthday(text, now.date())),
            "lifecycle" => lifecycle(&mut input, c.lifecycle),
            "lead_source" => input.line("lead_source", c.lead_source.as_deref(), 100),
            "score" => input.set("score", c.score),
            "do_not_call" => input.set("do_not_call", c.do_not_call),
            "do_not_email" => input.set("do_not_email", c.do_not_email),
            "consents" => contact_points::read_consents(&mut input, &c.consents, now),
            _ => {}
        }
    }
    input
}

/// A stage of life, shared with companies.
pub(crate) fn lifecycle(input: &mut Input, sent: Option<i32>) {
    match choice(sent.unwrap_or_default()) {
        Ok(pb::Lifecycle::Unspecified) => input.set("lifecycle", Value::Null),
        Ok(value) => input.set("lifecycle", contact_points::short_name(value.as_str_name(), "LIFECYCLE_")),
        Err(error) => input.refuse("/lifecycle", error),
    }
}

/// A BCP 47 tag by its shape: a language of two to eight letters, then subtags.
fn language(text: &str) -> Result<String, FieldError> {
    let mut subtags = text.split('-');
    let first = subtags.next().unwrap_or_default();
    let is_language = (2..=8).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic());
    let is_subtag =
        |tag: &str| (1..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric());
    if text.len() <= 35 && is_language && subtags.all(is_subtag) {
        return Ok(text.to_owned());
    }
    Err(FieldError::new(Reason::LANGUAGE_INVALID, "a language tag (BCP 47) is expected, such as de-AT"))
}

/// An IANA zone by its shape.
fn timezone(text: &str) -> Result<String, FieldError> {
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
    };
    let is_zone = text == "UTC" || (text.contains('/') && text.split('/').count() <= 3);
    if text.len() <= 60 && is_zone && text.split('/').all(is_part) {
        return Ok(text.to_owned());
    }
    Err(FieldError::new(Reason::TIMEZONE_INVALID, "a time zone (IANA) is expected, such as Europe/Vienna"))
}

fn birthday(text: &str, today: time::Date) -> Result<String, FieldError> {
    let day = moment::date(text)?;
    if day > today {
        return Err(FieldError::new(Reason::DATE_IN_FUTURE, "a day that has passed is expected"));
    }
    Ok(moment::date_text(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_zones_and_birthdays_are_checked_by_shape_and_sense() {
        for good in ["de", "de-AT", "zh-Hant-TW"] {
            language(good).unwrap();
        }
        for bad in ["d", "de_AT", "12", "de--AT"] {
            assert_eq!(language(bad).unwrap_err().reason, "LANGUAGE_INVALID", "{bad}");
        }
        for good in ["UTC", "Europe/Vienna", "America/Argentina/Buenos_Aires", "Etc/GMT+1"] {
            timezone(good).unwrap();
        }
        for bad in ["Vienna", "Europe/", "Europe/Vien na", "+01:00"] {
            assert_eq!(timezone(bad).unwrap_err().reason, "TIMEZONE_INVALID", "{bad}");
        }
        let today = moment::date("2026-02-28").unwrap();
        assert_eq!(birthday("2026-02-28", today).unwrap(), "2026-02-28");
        assert_eq!(birthday("2026-03-01", today).unwrap_err().reason, "DATE_IN_FUTURE");
        assert_eq!(birthday("2026-02-30", today).unwrap_err().reason, "DATE_INVALID");
    }
}
