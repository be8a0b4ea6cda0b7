//! A password in the one form in which it is set and checked: the profile OpaqueString of RFC 8265, 4.2.
//!
//! One keyboard sends `å` as one character and another as two; both are the same password. Every space becomes U+0020, then the text is
//! brought to NFC. Case, width and everything else stay as they are. Refused is what cannot be typed or seen: control characters, line
//! separators, marks of direction, spaces without width. Narrower than the RFC in one point, so that emoji work: joiners and variation
//! selectors are allowed, and so are characters that Unicode assigns later.

use error::Reason;
use field_types::{FieldError, text};
use secrecy::{ExposeSecret, SecretString};

/// A password in its normal form. There is no other way to one than [`Password::parse`].
#[derive(Clone)]
pub(crate) struct Password(SecretString);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Password {
    /// Brings a password as it was sent to its normal form. Errors: `REQUIRED`, `TEXT_CONTROL_CHARACTER`.
    pub(crate) fn parse(sent: &str) -> Result<Self, FieldError> {
        if sent.is_empty() {
            return Err(FieldError::new(Reason::REQUIRED, "must not be empty"));
        }
        if sent.chars().any(is_untypable) {
            let text = "must not contain control characters, line breaks or invisible marks";
            return Err(FieldError::new(Reason::TEXT_CONTROL_CHARACTER, text));
        }
        // The rest of white space is Unicode's category Zs.
        let spaces: String = sent.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
        Ok(Self(SecretString::from(text::nfc(&spaces))))
    }

    /// The normal form.
    pub(super) fn text(&self) -> &str {
        self.0.expose_secret()
    }
}

fn is_untypable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0001}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(sent: &str) -> String {
        Password::parse(sent).unwrap().text().to_owned()
    }

    #[test]
    fn one_password_has_one_form_whatever_keyboard_sends_it() {
        for (one, other) in [
            ("Zoë-Ångström", "Zoe\u{308}-A\u{30a}ngstro\u{308}m"),
            ("Å", "\u{212b}"),
            ("각", "\u{1100}\u{1161}\u{11a8}"),
            ("ệ", "e\u{302}\u{323}"),
            ("ệ", "e\u{323}\u{302}"),
            ("a b", "a\u{a0}b"),
            ("a b", "a\u{3000}b"),
            ("a b", "a\u{202f}b"),
            ("a b", "a\u{2003}b"),
        ] {
            assert_eq!(normal(one), normal(other), "{one}");
        }
    }

    #[test]
    fn what_is_another_password_stays_another() {
        for (one, other) in [
            ("a", "A"),
            ("a", "ａ"),
            ("fi", "ﬁ"),
            ("ss", "ß"),
            ("a", "ä"),
            (" a", "a"),
            ("a ", "a"),
            ("a  b", "a b"),
        ] {
            assert_ne!(normal(one), normal(other), "{one}");
        }
        assert_eq!(normal("👩\u{200d}👧 ❤\u{fe0f}"), "👩\u{200d}👧 ❤\u{fe0f}");
    }

    #[test]
    fn what_nobody_can_type_is_refused() {
        let reason = |sent: &str| Password::parse(sent).unwrap_err().reason;
        assert_eq!(reason(""), Reason::REQUIRED);
        for c in [
            '\0',
            '\t',
            '\n',
            '\r',
            '\u{7f}',
            '\u{85}',
            '\u{200b}',
            '\u{202e}',
            '\u{2028}',
            '\u{feff}',
            '\u{e0001}',
        ] {
            assert_eq!(reason(&format!("correct{c}horse")), Reason::TEXT_CONTROL_CHARACTER, "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn the_normal_form_is_its_own(sent in "\\PC{1,40}") {
            if let Ok(password) = Password::parse(&sent) {
                prop_assert_eq!(normal(password.text()), password.text());
            }
        }
    }
}
