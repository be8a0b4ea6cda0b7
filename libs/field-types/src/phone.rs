//! Phone numbers.

use std::str::FromStr;

use phonenumber::Mode;
use reasons::Reason;
use unicode_normalization::UnicodeNormalization;

use crate::{FieldError, text};

/// Longest text that is read as a phone number, in characters that can be seen.
const PHONE_CHARS: usize = 40;
/// Longest text that is looked at, in bytes.
const PHONE_BYTES: usize = 1_000;

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
/// Spaces, brackets, dots, slashes and hyphens are punctuation, and marks that cannot be seen are nothing, wherever they are: they come
/// with copies from elsewhere. Anything else is refused, extensions too: E.164 cannot hold them, and dropping one would dial somebody else.
pub fn parse(value: &str, region: Option<Region>) -> Result<String, FieldError> {
    let invalid = || FieldError::new(Reason::PHONE_INVALID, "not a phone number");
    if value.len() > PHONE_BYTES {
        return Err(invalid());
    }
    let Some(plain) = dialled(value) else {
        return Err(FieldError::new(
            Reason::PHONE_INVALID,
            "a phone number is digits and punctuation; extensions are not stored",
        ));
    };
    if !plain.starts_with('+') && region.is_none() {
        return Err(FieldError::new(
            Reason::PHONE_INVALID,
            "without a default region a number begins with + and the country code",
        ));
    }
    if plain.len() > PHONE_CHARS {
        return Err(invalid());
    }
    // A number with its country code has no region: the parser would take the region's trunk prefix from it, such as the 1 of +49 151.
    let region = region.filter(|_| !plain.starts_with('+'));
    let number = phonenumber::parse(region.map(|region| region.0), plain).map_err(|_| invalid())?;
    if !number.is_valid() {
        return Err(invalid());
    }
    Ok(number.format().mode(Mode::E164).to_string())
}

/// The beginning of a number as the beginning of its stored form: `+49 (151)` is `+49151`, and in Germany `0151` is too. `None` for what
/// begins no number.
pub fn prefix(value: &str, region: Option<Region>) -> Option<String> {
    let plain = dialled(value).filter(|plain| !plain.is_empty())?;
    if plain.starts_with('+') {
        return Some(plain);
    }
    let metadata = phonenumber::metadata::DATABASE.by_id(region?.0.as_ref())?;
    let national = metadata.national_prefix().and_then(|prefix| plain.strip_prefix(prefix)).unwrap_or(&plain);
    Some(format!("+{}{national}", metadata.country_code()))
}

/// The digits of a number, and the `+` before them. `None` if there is anything that is no punctuation of numbers.
fn dialled(value: &str) -> Option<String> {
    let visible = value.chars().filter(|c| !text::is_ignorable(*c)).nfkc();
    let plain: String = visible.map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let plain = plain.trim();
    let plain = plain.strip_prefix("tel:").unwrap_or(plain);
    let is_known = |c: char| {
        let is_hyphen = matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
        c.is_ascii_digit() || is_hyphen || matches!(c, '+' | ' ' | '(' | ')' | '.' | '/')
    };
    plain.chars().all(is_known).then(|| plain.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect())
}
