//! Phone numbers.

use std::str::FromStr;

use phonenumber::Mode;
use reasons::Reason;
use unicode_normalization::UnicodeNormalization;

use crate::FieldError;

/// Longest text that is read as a phone number, in characters.
const PHONE_CHARS: usize = 40;

/// The country in which a number without country code is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Region(phonenumber::country::Id);

impl FromStr for Region {
    type Err = FieldError;

    /// Reads an ISO 3166 code of two letters, such as `DE`.
    fn from_str(code: &str) -> Result<Self, Self::Err> {
        phonenumber::country::Id::from_str(&code.to_ascii_uppercase())
            .map(Self)
            .map_err(|_| FieldError::new(Reason::COUNTRY_UNKNOWN, "not a country code of two letters"))
    }
}

/// The number in E.164 (`+4930901820`).
///
/// Spaces, brackets, dots, slashes and hyphens are punctuation; anything else is refused, extensions too: E.164 cannot
/// hold them, and dropping one would dial somebody else.
pub fn parse(value: &str, region: Option<Region>) -> Result<String, FieldError> {
    let invalid = || FieldError::new(Reason::PHONE_INVALID, "not a phone number");
    if value.chars().nth(PHONE_CHARS).is_some() {
        return Err(invalid());
    }
    let plain: String = value.nfkc().collect();
    let plain = plain.trim();
    let plain = plain.strip_prefix("tel:").unwrap_or(plain);
    let is_known = |c: char| {
        c.is_ascii_digit() || matches!(c, '+' | ' ' | '(' | ')' | '-' | '.' | '/' | '\u{2010}'..='\u{2015}')
    };
    if !plain.chars().all(is_known) {
        return Err(FieldError::new(
            Reason::PHONE_INVALID,
            "a phone number is digits and punctuation; extensions are not stored",
        ));
    }
    let plain: String = plain.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    if !plain.starts_with('+') && region.is_none() {
        return Err(FieldError::new(
            Reason::PHONE_INVALID,
            "without a default region a number begins with + and the country code",
        ));
    }
    let number = phonenumber::parse(region.map(|region| region.0), plain).map_err(|_| invalid())?;
    if !number.is_valid() {
        return Err(invalid());
    }
    Ok(number.format().mode(Mode::E164).to_string())
}
