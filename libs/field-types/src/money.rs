//! Money: whole minor units and an ISO 4217 currency. No floating point anywhere.

use reasons::Reason;
use serde_json::{Value, json};

use crate::{FieldError, number, text};

/// An amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    /// In the currency's smallest unit, within ±2^53.
    pub amount_minor: i64,
    currency: Currency,
}

/// A currency of ISO 4217.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Currency {
    code: &'static str,
    /// Digits of the minor unit.
    exponent: usize,
}

/// Codes that were replaced within the life of today's records and that the data of the crate do not have, or may lose, with the digits of their minor
/// units (ISO 4217, list three).
const WITHDRAWN: [(&str, usize); 46] = [
    ("AFA", 2),
    ("ANG", 2),
    ("ATS", 2),
    ("AZM", 2),
    ("BEF", 0),
    ("BGL", 2),
    ("BYB", 0),
    ("BYR", 0),
    ("CSD", 2),
    ("CYP", 2),
    ("DEM", 2),
    ("EEK", 2),
    ("ESP", 0),
    ("FIM", 2),
    ("FRF", 2),
    ("GHC", 2),
    ("GRD", 0),
    ("GWP", 2),
    ("IEP", 2),
    ("ITL", 0),
    ("LTL", 2),
    ("LUF", 0),
    ("LVL", 2),
    ("MGF", 0),
    ("MRO", 2),
    ("MTL", 2),
    ("MZM", 2),
    ("NLG", 2),
    ("PTE", 0),
    ("ROL", 2),
    ("SDD", 2),
    ("SIT", 2),
    ("SKK", 2),
    ("SRG", 2),
    ("STD", 2),
    ("TMM", 2),
    ("TRL", 0),
    ("USS", 2),
    ("VEB", 2),
    ("VEF", 2),
    ("YUM", 2),
    ("ZMK", 2),
    ("ZWD", 2),
    ("ZWN", 2),
    ("ZWR", 2),
    ("BGN", 2),
];

impl Money {
    /// The ISO 4217 code, such as `EUR`.
    pub fn currency(&self) -> &'static str {
        self.currency.code
    }

    /// The canonical JSON.
    pub fn to_json(self) -> Value {
        json!({"amount_minor": self.amount_minor, "currency": self.currency()})
    }
}

impl std::fmt::Display for Money {
    /// `1250.00 EUR`: all decimals of the currency, a dot, no grouping; [`parse_text`] reads it back.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let exponent = self.currency.exponent;
        let sign = if self.amount_minor < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.amount_minor.unsigned_abs(), width = exponent + 1);
        let (whole, fraction) = digits.split_at(digits.len() - exponent);
        let dot = if exponent == 0 { "" } else { "." };
        write!(f, "{sign}{whole}{dot}{fraction} {}", self.currency())
    }
}

/// The code of a currency in upper case. Codes without a minor unit (precious metals, test codes) are refused; codes
/// that were replaced stay valid, as old records hold them.
pub fn currency(code: &str) -> Result<&'static str, FieldError> {
    known_currency(code).map(|currency| currency.code)
}

fn known_currency(code: &str) -> Result<Currency, FieldError> {
    let upper = text::bare(code).to_ascii_uppercase();
    let listed = iso_currency::Currency::from_code(&upper)
        .and_then(|known| Some(Currency { code: known.code(), exponent: usize::from(known.exponent()?) }));
    let withdrawn = || {
        let known = WITHDRAWN.iter().find(|(code, _)| *code == upper);
        known.map(|&(code, exponent)| Currency { code, exponent })
    };
    listed
        .or_else(withdrawn)
        .ok_or_else(|| FieldError::new(Reason::CURRENCY_UNKNOWN, "not a currency code of ISO 4217"))
}

/// Reads `{"amount_minor": 125000, "currency": "EUR"}`; both violations are reported.
pub fn parse(value: &Value) -> Result<Money, Vec<FieldError>> {
    let Value::Object(members) = value else {
        let detail = "an object of amount_minor and currency is expected";
        return Err(vec![FieldError::new(Reason::TYPE_MISMATCH, detail)]);
    };
    let mut violations: Vec<FieldError> = members
        .keys()
        .filter(|key| !matches!(key.as_str(), "amount_minor" | "currency"))
        .map(|_| {
            FieldError::new(Reason::UNKNOWN_FIELD, "money has only the members amount_minor and currency")
        })
        .take(1)
        .collect();
    let amount = match members.get("amount_minor") {
        Some(amount) => number::integer(amount),
        None => Err(FieldError::new(Reason::REQUIRED, "amount_minor is missing")),
    };
    let currency = match members.get("currency") {
        Some(Value::String(code)) => known_currency(code),
        Some(_) => Err(FieldError::new(Reason::TYPE_MISMATCH, "text is expected")),
        None => Err(FieldError::new(Reason::REQUIRED, "currency is missing")),
    };
    match (amount, currency) {
        (Ok(amount_minor), Ok(currency)) if violations.is_empty() => Ok(Money { amount_minor, currency }),
        (amount, currency) => {
            violations.extend(amount.err().map(|error| error.at("/amount_minor")));
            violations.extend(currency.err().map(|error| error.at("/currency")));
            Err(violations)
        }
    }
}

/// Reads `1250.00 EUR` or `EUR 1250`: a dot before the fraction, not more decimals than the currency has.
pub fn parse_text(value: &str) -> Result<Money, FieldError> {
    let expected = || {
        FieldError::new(Reason::MONEY_INVALID, "an amount and a currency are expected, such as 1250.00 EUR")
    };
    let (first, second) = value.trim().split_once(char::is_whitespace).ok_or_else(expected)?;
    let (amount, code) = if first.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        (second.trim(), first)
    } else {
        (first, second.trim())
    };
    let currency = known_currency(code)?;
    let (negative, digits) = amount.strip_prefix('-').map_or((false, amount), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) || digits.ends_with('.') {
        return Err(expected());
    }
    let exponent = currency.exponent;
    if fraction.len() > exponent {
        return Err(FieldError::new(
            Reason::MONEY_INVALID,
            format!("{} has {exponent} decimals", currency.code),
        ));
    }
    let minor = number::integer_text(&format!("{whole}{fraction:0<exponent$}"))?;
    Ok(Money { amount_minor: if negative { -minor } else { minor }, currency })
}
