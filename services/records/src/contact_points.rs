//! Where somebody is reached: e-mail addresses, phone numbers, postal addresses, consents. Wire form <-> stored JSON.

use error::Reason;
use field_types::phone::Region;
use field_types::text::bare;
use field_types::{FieldError, country, email, moment, phone};
use input::{Input, choice, line};
use proto::records::v1 as pb;
use proto::timestamp;
use record::Fields;
use record::fields::put;
use serde_json::{Value, json};
use time::OffsetDateTime;

/// Reads e-mail addresses: canonical, each once, exactly one primary.
pub(crate) fn read_emails(input: &mut Input, sent: &[pb::EmailAddress]) {
    let read = |e: &pb::EmailAddress| email::parse(&e.address);
    let items = sent.iter().map(|e| (read(e), e.kind, e.is_primary)).collect();
    points(input, "emails", "address", items);
}

/// Reads phone numbers: E.164, each once, exactly one primary. `region` is where a number without country code belongs.
pub(crate) fn read_phones(input: &mut Input, sent: &[pb::PhoneNumber], region: Option<Region>) {
    let items = sent.iter().map(|p| (phone::parse(&p.number, region), p.kind, p.is_primary)).collect();
    points(input, "phones", "number", items);
}

type Point = (Result<String, FieldError>, i32, bool);

fn points(input: &mut Input, field: &str, member: &str, items: Vec<Point>) {
    let mut kept: Vec<Value> = Vec::with_capacity(items.len());
    let mut primary = None;
    for (index, (value, kind, is_primary)) in items.into_iter().enumerate() {
        let kind = self::kind(input, format!("/{field}/{index}/kind"), kind);
        if is_primary && primary.replace(index).is_some() {
            let error = FieldError::new(Reason::PRIMARY_REPEATED, "only one entry can be the primary one");
            input.refuse(format!("/{field}/{index}/is_primary"), error);
        }
        let value = value.and_then(|value| {
            let repeated = kept.iter().any(|k| k[member] == value.as_str());
            if repeated { Err(FieldError::new(Reason::REPEATED, "is repeated")) } else { Ok(value) }
        });
        match value {
            Ok(value) => kept.push(json!({member: value, "kind": kind, "is_primary": is_primary})),
            Err(error) => input.refuse(format!("/{field}/{index}/{member}"), error),
        }
    }
    if let (None, Some(first)) = (primary, kept.first_mut()) {
        first["is_primary"] = true.into();
    }
    input.set(field, kept);
}

/// Reads postal addresses; one without any part is left out.
pub(crate) fn read_addresses(input: &mut Input, sent: &[pb::PostalAddress]) {
    let mut kept = Vec::with_capacity(sent.len());
    for (index, address) in sent.iter().enumerate() {
        let mut parts = Fields::new();
        let texts = [
            ("street", &address.street, 300),
            ("city", &address.city, 100),
            ("region", &address.region, 100),
            ("postal_code", &address.postal_code, 20),
        ];
        for (name, text, max) in texts {
            // A street may have several lines.
            let read = |text: &str| {
                if name == "street" { field_types::text::clean(text, max) } else { line(text, max) }
            };
            match text.as_deref().map_or(Ok(None), read) {
                Ok(value) => put(&mut parts, name, value.into()),
                Err(error) => input.refuse(format!("/addresses/{index}/{name}"), error),
            }
        }
        let sent = address.country.as_deref().filter(|code| !bare(code).is_empty());
        match sent.map(country::parse).transpose() {
            Ok(value) => put(&mut parts, "country", value.into()),
            Err(error) => input.refuse(format!("/addresses/{index}/country"), error),
        }
        let kind = kind(input, format!("/addresses/{index}/kind"), address.kind);
        if !parts.is_empty() {
            parts.insert("kind".to_owned(), kind.into());
            kept.push(Value::Object(parts));
        }
    }
    input.set("addresses", kept);
}

/// Reads consents.
pub(crate) fn read_consents(input: &mut Input, sent: &[pb::Consent], now: OffsetDateTime) {
    let mut kept = Vec::with_capacity(sent.len());
    for (index, consent) in sent.iter().enumerate() {
        let mut parts = Fields::new();
        let texts = [
            ("purpose", Some(&consent.purpose), 100),
            ("basis", consent.basis.as_ref(), 100),
            ("source", consent.source.as_ref(), 200),
        ];
        for (name, text, max) in texts {
            match text.map_or(Ok(None), |text| line(text, max)) {
                Ok(None) if name == "purpose" => {
                    let error = FieldError::new(Reason::REQUIRED, "a value is required");
                    input.refuse(format!("/consents/{index}/purpose"), error);
                }
                Ok(value) => put(&mut parts, name, value.into()),
                Err(error) => input.refuse(format!("/consents/{index}/{name}"), error),
            }
        }
        let given = consent.given_at.as_ref().map(|t| proto::moment(t).ok_or(Reason::TIMESTAMP_INVALID));
        let given = given.map(|t| t.and_then(|t| if t > now { Err(Reason::DATE_IN_FUTURE) } else { Ok(t) }));
        match given.transpose() {
            Ok(moment) => put(&mut parts, "given_at", moment.map(moment::datetime_text).into()),
            Err(reason) => {
                let error = FieldError::new(reason, "a moment that has passed is expected");
                input.refuse(format!("/consents/{index}/given_at"), error);
            }
        }
        kept.push(Value::Object(parts));
    }
    input.set("consents", kept);
}

fn kind(input: &mut Input, pointer: String, kind: i32) -> Option<String> {
    match input.violations.take(pointer, choice(kind))? {
        pb::ContactPointKind::Unspecified => None,
        kind => Some(short_name(kind.as_str_name(), "CONTACT_POINT_KIND_")),
    }
}

/// `CONTACT_POINT_KIND_WORK` -> `work`.
pub(crate) fn short_name(full: &str, prefix: &str) -> String {
    full.strip_prefix(prefix).unwrap_or(full).to_ascii_lowercase()
}

/// A stored kind on the wire.
fn wire_kind(point: &Value) -> i32 {
    let name = format!("CONTACT_POINT_KIND_{}", text(point, "kind").to_ascii_uppercase());
    pb::ContactPointKind::from_str_name(&name).unwrap_or_default() as i32
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_default().to_owned()
}

fn optional_text(value: &Value, member: &str) -> Option<String> {
    value[member].as_str().map(str::to_owned)
}

/// A stored e-mail address on the wire.
pub(crate) fn email(value: &Value) -> pb::EmailAddress {
    let is_primary = value["is_primary"].as_bool().unwrap_or_default();
    pb::EmailAddress { address: text(value, "address"), kind: wire_kind(value), is_primary }
}

/// A stored phone number on the wire.
pub(crate) fn phone(value: &Value) -> pb::PhoneNumber {
    let is_primary = value["is_primary"].as_bool().unwrap_or_default();
    pb::PhoneNumber { number: text(value, "number"), kind: wire_kind(value), is_primary }
}

/// A stored postal address on the wire.
pub(crate) fn address(value: &Value) -> pb::PostalAddress {
    pb::PostalAddress {
        kind: wire_kind(value),
        street: optional_text(value, "street"),
        city: optional_text(value, "city"),
        region: optional_text(value, "region"),
        postal_code: optional_text(value, "postal_code"),
        country: optional_text(value, "country"),
    }
}

/// A stored consent on the wire.
pub(crate) fn consent(value: &Value) -> pb::Consent {
    pb::Consent {
        purpose: text(value, "purpose"),
        basis: optional_text(value, "basis"),
        given_at: value["given_at"].as_str().and_then(|t| moment::datetime(t).ok()).map(timestamp),
        source: optional_text(value, "source"),
    }
}

/// The numbers of phones, as pairs of a side table.
pub(crate) fn numbers(phones: &Value) -> Vec<(String, String)> {
    let items = phones.as_array().into_iter().flatten();
    items.filter_map(|item| Some((item["number"].as_str()?.to_owned(), String::new()))).collect()
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    fn mail(address: &str, is_primary: bool) -> pb::EmailAddress {
        pb::EmailAddress { address: address.to_owned(), kind: pb::ContactPointKind::Work as i32, is_primary }
    }

    fn found(input: &Input) -> Vec<(&str, &str)> {
        input.violations.iter().map(|v| (v.pointer.as_str(), v.reason.as_ref())).collect()
    }

    #[test]
    fn addresses_become_lower_case_and_the_first_becomes_primary() {
        let mut input = Input::default();
        read_emails(&mut input, &[mail("Zoe@Example.TEST", false), mail("z@example.test", false)]);
        assert!(input.violations.is_empty());
        assert_eq!(
            input.fields["emails"],
            json!([
                {"address": "zoe@example.test", "kind": "work", "is_primary": true},
                {"address": "z@example.test", "kind": "work", "is_primary": false},
            ])
        );
    }

    #[test]
    fn a_wrong_a_repeated_and_a_second_primary_address_are_told_together() {
        let mut input = Input::default();
        let sent = [mail("nonsense", true), mail("a@example.test", false), mail("A@example.test", true)];
        read_emails(&mut input, &sent);
        assert_eq!(
            found(&input),
            [
                ("/emails/0/address", "EMAIL_INVALID"),
                ("/emails/2/is_primary", "PRIMARY_REPEATED"),
                ("/emails/2/address", "REPEATED"),
            ]
        );
    }

    #[test]
    fn a_number_without_country_code_needs_a_region() {
        let number = pb::PhoneNumber { number: "(650) 253-0000".to_owned(), ..Default::default() };
        let mut input = Input::default();
        read_phones(&mut input, std::slice::from_ref(&number), None);
        assert_eq!(found(&input), [("/phones/0/number", "PHONE_INVALID")]);
        let mut input = Input::default();
        read_phones(&mut input, &[number], Region::from_str("US").ok());
        assert_eq!(input.fields["phones"][0]["number"], "+16502530000");
    }

    #[test]
    fn countries_are_codes_of_two_letters() {
        let address =
            |country: &str| pb::PostalAddress { country: Some(country.to_owned()), ..Default::default() };
        let mut input = Input::default();
        read_addresses(&mut input, &[address("de"), address("XX"), address("AQ")]);
        assert_eq!(found(&input), [("/addresses/1/country", "COUNTRY_UNKNOWN")]);
        assert_eq!(input.fields["addresses"][0]["country"], "DE");
    }

    #[test]
    fn a_consent_cannot_be_given_tomorrow() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let consent = pb::Consent {
            purpose: "newsletter".to_owned(),
            given_at: Some(timestamp(now + time::Duration::DAY)),
            ..Default::default()
        };
        let mut input = Input::default();
        read_consents(&mut input, &[consent, pb::Consent::default()], now);
        assert_eq!(
            found(&input),
            [("/consents/0/given_at", "DATE_IN_FUTURE"), ("/consents/1/purpose", "REQUIRED")]
        );
    }
}
