//! A contact's message: how it is read and shown.

use auth::FieldMask;
use error::{Error, Reason};
use field_types::{FieldError, language, moment, timezone};
use prost::Message;
use prost::bytes::Bytes;
use proto::common::v1::{Access, Source};
use proto::records::v1 as pb;
use record::definitions::FieldSet;
use record::view::View;
use record::{Env, Included, Object, Reader, Sent, Wire};

use super::CONTACT;
use crate::contact_points;

/// Contacts on the wire.
#[derive(Debug)]
pub(crate) enum Contact {}

impl Wire for Contact {
    type Message = pb::Contact;

    fn object() -> &'static Object {
        &CONTACT
    }

    fn read(sent: &pb::Contact, r: &mut Reader<'_>) {
        r.id("owner_id", &sent.owner_id);
        r.id("team_id", &sent.team_id);
        r.external_ids(&sent.external_ids);
        r.tags(&sent.tags);
        r.line("first_name", &sent.first_name, 100);
        r.line("last_name", &sent.last_name, 100);
        r.line("job_title", &sent.job_title, 200);
        r.line("department", &sent.department, 200);
        r.with("emails", |input| contact_points::read_emails(input, &sent.emails));
        let region = r.region;
        r.with("phones", |input| contact_points::read_phones(input, &sent.phones, region));
        r.with("addresses", |input| contact_points::read_addresses(input, &sent.addresses));
        r.checked("language", &sent.language, language::parse);
        r.checked("timezone", &sent.timezone, timezone::parse);
        let today = r.now.date();
        r.checked("birthday", &sent.birthday, |text| birthday(text, today));
        r.choice("lifecycle", sent.lifecycle, pb::Lifecycle::as_str_name, "LIFECYCLE_");
        r.line("lead_source", &sent.lead_source, 100);
        r.value("score", sent.score);
        r.value("do_not_call", sent.do_not_call);
        r.value("do_not_email", sent.do_not_email);
        let now = r.now;
        r.with("consents", |input| contact_points::read_consents(input, &sent.consents, now));
    }

    fn show(view: View<'_>, access: Option<Access>) -> Result<pb::Contact, Error> {
        let lifecycle =
            view.choice("lifecycle", "LIFECYCLE_").and_then(|name| pb::Lifecycle::from_str_name(&name));
        let source = view.choice("source", "SOURCE_").and_then(|name| Source::from_str_name(&name));
        Ok(pb::Contact {
            id: view.id(),
            version: view.version(),
            created_at: view.moment("created_at"),
            created_by: view.text("created_by").unwrap_or_default(),
            updated_at: view.moment("updated_at"),
            updated_by: view.text("updated_by").unwrap_or_default(),
            deleted_at: view.moment("deleted_at"),
            owner_id: view.text("owner_id"),
            team_id: view.text("team_id"),
            source: source.unwrap_or_default() as i32,
            external_ids: view.map("external_ids"),
            tags: view.texts("tags"),
            first_name: view.text("first_name"),
            last_name: view.text("last_name"),
            full_name: view.text("full_name"),
            job_title: view.text("job_title"),
            department: view.text("department"),
            emails: view.list("emails", contact_points::email),
            phones: view.list("phones", contact_points::phone),
            addresses: view.list("addresses", contact_points::address),
            language: view.text("language"),
            timezone: view.text("timezone"),
            birthday: view.text("birthday"),
            lifecycle: lifecycle.map(|value| value as i32),
            lead_source: view.text("lead_source"),
            score: view.integer("score"),
            do_not_call: view.flag("do_not_call"),
            do_not_email: view.flag("do_not_email"),
            consents: view.list("consents", contact_points::consent),
            last_activity_at: view.moment("last_activity_at"),
            custom: view.custom()?,
            access,
            etag: None,
            included: None,
            warnings: Vec::new(),
        })
    }

    fn include(contact: &mut pb::Contact, mut included: Included) {
        contact.included =
            Some(pb::ContactIncluded { company: included.one("company"), owner: included.one("owner") });
        contact.warnings = included.warnings;
    }

    fn custom(sent: &pb::Contact) -> &Bytes {
        &sent.custom
    }

    fn custom_mut(sent: &mut pb::Contact) -> &mut Bytes {
        &mut sent.custom
    }

    fn etag(sent: &pb::Contact) -> Option<&str> {
        sent.etag.as_deref()
    }
}

fn birthday(text: &str, today: time::Date) -> Result<String, FieldError> {
    let day = moment::date(text)?;
    if day > today {
        return Err(FieldError::new(Reason::DATE_IN_FUTURE, "a day that has passed is expected"));
    }
    Ok(moment::date_text(day))
}

/// How many of them are changed at once.
pub(crate) fn open(env: &Env, wire: Bytes, set: &FieldSet, mask: &FieldMask) -> Result<Sent, Error> {
    let pb::UpdateContactRequest { contact, update_mask, .. } =
        pb::UpdateContactRequest::decode(wire).map_err(Error::internal)?;
    record::many::sent::<Contact>(env, (update_mask, contact.as_ref()), set, mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birthday_is_a_day_that_has_passed() {
        let today = moment::date("2026-02-28").unwrap();
        assert_eq!(birthday("2026-02-28", today).unwrap(), "2026-02-28");
        assert_eq!(birthday("2026-03-01", today).unwrap_err().reason, "DATE_IN_FUTURE");
        assert_eq!(birthday("2026-02-30", today).unwrap_err().reason, "DATE_INVALID");
        let refused = birthday("--05-12", today).unwrap_err();
        assert_eq!(refused.reason, "DATE_INVALID");
        assert!(refused.detail.contains("without its year"), "{}", refused.detail);
    }
}
