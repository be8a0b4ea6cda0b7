//! Whole and decimal numbers that JSON, float64 and people read alike.

use reasons::Reason;
use serde_json::{Number, Value};

use crate::FieldError;

/// Largest whole number every JSON reader holds exactly: 2^53.
pub(crate) const MAX_EXACT: i64 = 1 << 53;
/// Decimals of at most this many significant digits survive float64 unchanged.
pub(crate) const DECIMAL_DIGITS: usize = 15;
/// Most digits after the dot. With at most 15 digits in all, every such number is read exactly even by readers of JSON
/// that take the fast way (one division by a power of ten up to 10^22), ours among them.
pub(crate) const DECIMAL_PLACES: i32 = 15;
/// Decimals are smaller than this.
const DECIMAL_LIMIT: f64 = 1e15;

fn integer_range() -> FieldError {
    FieldError::new(Reason::OUT_OF_RANGE, "a whole number between -2^53 and 2^53")
}

fn wrong_type() -> FieldError {
    FieldError::new(Reason::TYPE_MISMATCH, "a whole number is expected")
}

/// A whole number within ±2^53; `5.0` is 5.
pub fn integer(value: &Value) -> Result<i64, FieldError> {
    let Value::Number(number) = value else { return Err(wrong_type()) };
    if let Some(whole) = number.as_i64() {
        return in_range(whole);
    }
    match number.as_f64() {
        Some(float) if float.fract() == 0.0 && float.abs() <= MAX_EXACT as f64 => Ok(float as i64),
        Some(float) if float.fract() != 0.0 => Err(wrong_type()),
        _ => Err(integer_range()),
    }
}

/// A whole number from text: an optional sign and digits, nothing else.
pub fn integer_text(value: &str) -> Result<i64, FieldError> {
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(FieldError::new(Reason::TYPE_MISMATCH, "a whole number in plain digits is expected"));
    }
    value.parse().map_err(|_| integer_range()).and_then(in_range)
}

fn in_range(whole: i64) -> Result<i64, FieldError> {
    if (-MAX_EXACT..=MAX_EXACT).contains(&whole) { Ok(whole) } else { Err(integer_range()) }
}

/// A decimal: finite, at most 15 significant digits and as many after the dot, below 10^15 in size.
pub fn decimal(value: &Value) -> Result<f64, FieldError> {
    let Value::Number(number) = value else {
        return Err(FieldError::new(Reason::TYPE_MISMATCH, "a number is expected"));
    };
    let float = number.as_f64().filter(|float| float.is_finite()).ok_or_else(too_precise)?;
    // Whole numbers beyond float64 must not be rounded into the limit.
    let text = if number.is_f64() { format!("{float:e}") } else { number.to_string() };
    checked_decimal(&text, float)
}

/// A decimal from text: an optional sign, digits, and a dot with digits. A comma is refused, as it means thousands to
/// some and a fraction to others.
pub fn decimal_text(value: &str) -> Result<f64, FieldError> {
    let expected =
        || FieldError::new(Reason::TYPE_MISMATCH, "a number with a dot before its fraction is expected");
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(fraction) {
        return Err(expected());
    }
    let float: f64 = value.parse().map_err(|_| expected())?;
    checked_decimal(value, float)
}

/// The JSON number of a checked decimal: whole numbers without a fraction, so that 5 and 5.0 are one value.
pub(crate) fn decimal_json(decimal: f64) -> Value {
    if decimal.fract() == 0.0 && decimal.abs() < DECIMAL_LIMIT {
        return Value::from(decimal as i64);
    }
    Number::from_f64(decimal).map_or(Value::Null, Value::Number)
}

fn checked_decimal(text: &str, float: f64) -> Result<f64, FieldError> {
    let is_exact = significant_digits(text) <= DECIMAL_DIGITS && decimal_places(float) <= DECIMAL_PLACES;
    if !is_exact || float.abs() >= DECIMAL_LIMIT {
        return Err(too_precise());
    }
    Ok(float)
}

fn too_precise() -> FieldError {
    FieldError::new(
        Reason::DECIMAL_TOO_PRECISE,
        format!(
            "a number of at most {DECIMAL_DIGITS} significant digits, {DECIMAL_PLACES} of them after the dot, smaller than 10^15"
        ),
    )
}

/// Digits between the first and the last one that is not 0.
fn significant_digits(text: &str) -> usize {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len()
}

/// Digits after the dot in the shortest decimal that is this number.
fn decimal_places(float: f64) -> i32 {
    let text = format!("{float:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i32);
    fraction - exponent.parse().unwrap_or(0)
}
