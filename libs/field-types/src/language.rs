//! Languages by their tags.

use language_tags::LanguageTag;
use reasons::Reason;

use crate::FieldError;

/// Longest tag, in characters (BCP 47, 4.4.1).
const TAG_CHARS: usize = 35;

/// A tag of BCP 47 (RFC 5646) whose subtags are registered, in the case that the RFC recommends: `DE-at` is `de-AT`.
pub fn parse(tag: &str) -> Result<String, FieldError> {
    let invalid =
        || FieldError::new(Reason::LANGUAGE_INVALID, "a language tag (BCP 47) is expected, such as de-AT");
    if tag.len() > TAG_CHARS {
        return Err(invalid());
    }
    let parsed = LanguageTag::parse(tag).map_err(|_| invalid())?;
    parsed.validate().map_err(|_| invalid())?;
    // The crate finds two letters in the range of private languages as well, which is `qaa` to `qtz`.
    let primary = parsed.primary_language();
    if primary.len() == 2 && primary.starts_with('q') && primary != "qu" {
        return Err(invalid());
    }
    Ok(parsed.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_made_of_registered_subtags() {
        for (tag, stored) in [
            ("de", "de"),
            ("DE-at", "de-AT"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("sl-rozaj", "sl-rozaj"),
            ("gsw", "gsw"),
            ("qu-PE", "qu-PE"),
            ("qaa", "qaa"),
            ("x-klingon", "x-klingon"),
            ("de-DE-u-co-phonebk", "de-DE-u-co-phonebk"),
        ] {
            assert_eq!(parse(tag).unwrap(), stored);
        }
        for bad in ["", "d", "english", "German", "qq-QQ", "xx", "de_AT", "de--AT", "12", "de-", "deutsch-AT"]
        {
            assert_eq!(parse(bad).unwrap_err().reason, "LANGUAGE_INVALID", "{bad}");
        }
    }
}
