//! Money: whole minor units and an ISO 4217 currency. No floating point anywhere.

use iso_currency::Currency;
use reasons::Reason;
use serde_json::{Value, json};

use crate::{FieldError, number};

/// An amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    /// In the currency's smallest unit, within ±2^53.
    pub amount_minor: i64,
    currency: Currency,
}

impl Money {
    /// The ISO 4217 code, such as `EUR`.
    pub fn currency(&self) -> &'static str {
        self.currency.code()
    }

    /// The canonical JSON.
    pub fn to_json(self) -> Value {
        json!({"amount_minor": self.amount_minor, "currency": self.currency()})
    }
}

impl std::fmt::Display for Money {
    /// `1250.00 EUR`: all decimals of the currency, a dot, no grouping; [`parse_text`] reads it back.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let exponent = usize::from(self.currency.exponent().unwrap_or_default());
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
    known_currency(code).map(|currency| currency.code())
}

fn known_currency(code: &str) -> Result<Currency, FieldError> {
    Currency::from_code(&code.to_ascii_uppercase())
        .filter(|currency| currency.exponent().is_some())
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
    let exponent = usize::from(currency.exponent().unwrap_or_default());
    if fraction.len() > exponent {
        return Err(FieldError::new(
            Reason::MONEY_INVALID,
            format!("{} has {exponent} decimals", currency.code()),
        ));
    }
    let minor = number::integer_text(&format!("{whole}{fraction:0<exponent$}"))?;
    Ok(Money { amount_minor: if negative { -minor } else { minor }, currency })
}
