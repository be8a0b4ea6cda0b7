use std::borrow::Cow;

use field_types::phone::Region;
use field_types::{FieldType, email, moment, money, number, phone, url};
use time::{Date, OffsetDateTime, Time};
use uuid::Uuid;

use crate::filter::{Literal, Op};

/// A value of the wanted type, or what was expected instead.
pub(crate) type Operand<T> = Result<T, Cow<'static, str>>;

/// Operators of everything that has an order.
pub(crate) const ORDERED: &[Op] = &[Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge];

/// Options that a refusal lists; a field may have hundreds.
const SHOWN_OPTIONS: usize = 20;

/// Money in a filter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Amount {
    pub(crate) minor: i64,
    pub(crate) currency: &'static str,
}

/// The operators of a custom field's type.
pub(crate) fn operators(field_type: FieldType) -> &'static [Op] {
    match field_type {
        FieldType::Text | FieldType::Email | FieldType::Phone | FieldType::Url => &[Op::Eq, Op::Ne, Op::Has],
        FieldType::LongText | FieldType::Picklist | FieldType::Boolean | FieldType::Lookup => {
            &[Op::Eq, Op::Ne]
        }
        FieldType::MultiPicklist => &[Op::Has],
        FieldType::Integer
        | FieldType::Decimal
        | FieldType::Money
        | FieldType::Date
        | FieldType::Datetime => ORDERED,
    }
}

pub(crate) fn text(value: &Literal) -> Operand<String> {
    match value {
        Literal::Text(text) => Ok(text.clone()),
        _ => Err("text in double quotes is expected".into()),
    }
}

pub(crate) fn boolean(value: &Literal) -> Operand<bool> {
    match value {
        Literal::Bool(flag) => Ok(*flag),
        _ => Err("true or false is expected".into()),
    }
}

/// A boolean as slots hold it.
pub(crate) fn flag(value: &Literal) -> Operand<f64> {
    boolean(value).map(|flag| f64::from(u8::from(flag)))
}

pub(crate) fn integer(value: &Literal) -> Operand<i64> {
    let expected = "a whole number between -2^53 and 2^53 is expected";
    bare(value, expected).and_then(|text| number::integer_text(text).map_err(|_| expected.into()))
}

pub(crate) fn decimal(value: &Literal) -> Operand<f64> {
    let expected = "a number of at most 15 significant digits is expected";
    bare(value, expected).and_then(|text| number::decimal_text(text).map_err(|_| expected.into()))
}

pub(crate) fn date(value: &Literal) -> Operand<Date> {
    let expected = "a date without quotes is expected, such as 2026-01-31";
    bare(value, expected).and_then(|text| moment::date(text).map_err(|_| expected.into()))
}

/// A day as its midnight in UTC, which is how slots hold it.
pub(crate) fn midnight(value: &Literal) -> Operand<OffsetDateTime> {
    date(value).map(|day| day.with_time(Time::MIDNIGHT).assume_utc())
}

/// An instant, or a day for its midnight in UTC.
pub(crate) fn timestamp(value: &Literal) -> Operand<OffsetDateTime> {
    let expected = "a date and time without quotes is expected, such as 2026-01-31T08:00:00Z";
    let text = bare(value, expected)?;
    match moment::date(text) {
        Ok(day) => Ok(day.with_time(Time::MIDNIGHT).assume_utc()),
        Err(_) => moment::datetime(text).map_err(|_| expected.into()),
    }
}

pub(crate) fn id(value: &Literal) -> Operand<Uuid> {
    let expected = "an id (UUID) in double quotes is expected";
    match value {
        Literal::Text(text) if text.len() == 36 => Uuid::parse_str(text).map_err(|_| expected.into()),
        _ => Err(expected.into()),
    }
}

pub(crate) fn choice(value: &Literal, allowed: &[&str]) -> Operand<String> {
    match value {
        Literal::Text(text) if allowed.contains(&text.as_str()) => Ok(text.clone()),
        _ => Err(format!("one of {} in double quotes is expected", allowed.join(", ")).into()),
    }
}

/// The key of an option. A retired one is looked for as well: records still have it.
pub(crate) fn option(value: &Literal, options: &[String]) -> Operand<String> {
    match value {
        Literal::Text(text) if options.contains(text) => Ok(text.clone()),
        _ => {
            let more = if options.len() > SHOWN_OPTIONS { ", …" } else { "" };
            let shown = options.iter().take(SHOWN_OPTIONS).map(String::as_str).collect::<Vec<_>>().join(", ");
            Err(format!("the key of an option in double quotes is expected: {shown}{more}").into())
        }
    }
}

pub(crate) fn amount(value: &Literal) -> Operand<Amount> {
    let expected = "an amount with its currency in double quotes is expected, such as \"1250.00 EUR\"";
    let Literal::Text(text) = value else { return Err(expected.into()) };
    let money = money::parse_text(text).map_err(|_| expected)?;
    Ok(Amount { minor: money.amount_minor, currency: money.currency() })
}

/// The canonical address; what is none equals no stored one and stays as it is.
pub(crate) fn canonical_email(text: &str) -> String {
    email::parse(text).unwrap_or_else(|_| text.to_lowercase())
}

pub(crate) fn canonical_phone(text: &str, region: Option<Region>) -> String {
    phone::parse(text, region).unwrap_or_else(|_| text.to_owned())
}

/// The key of the beginning of a number; what begins none begins no stored one and stays as it is.
pub(crate) fn phone_prefix(text: &str, region: Option<Region>) -> String {
    phone::prefix(text, region).unwrap_or_else(|| field_types::search_key(text))
}

pub(crate) fn email_prefix(text: &str) -> String {
    field_types::slot_key(FieldType::Email, text)
}

pub(crate) fn url_prefix(text: &str) -> String {
    field_types::slot_key(FieldType::Url, text)
}

/// The domain in lower case and ASCII; what is none equals no stored one.
pub(crate) fn canonical_domain(text: &str) -> String {
    let address = email::parse(&format!("x@{}", text.trim())).ok();
    let domain = address.as_deref().filter(|_| !text.contains('@')).and_then(email::domain);
    domain.map_or_else(|| text.to_lowercase(), str::to_owned)
}

pub(crate) fn canonical_url(text: &str) -> String {
    url::parse(text).unwrap_or_else(|_| text.to_owned())
}

fn bare<'v>(value: &'v Literal, expected: &'static str) -> Operand<&'v str> {
    match value {
        Literal::Bare(text) => Ok(text),
        _ => Err(expected.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_the_form_of_what_is_stored() {
        assert_eq!(canonical_domain(" Bücher.Example"), "xn--bcher-kva.example");
        assert_eq!(canonical_domain("a@b.test"), "a@b.test");
    }
}
