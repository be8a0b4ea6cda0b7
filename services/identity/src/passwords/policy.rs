//! Which passwords are accepted: length, and not what everybody would guess first (NIST SP 800-63B 5.1.1.2). No rules about
//! kinds of characters: they make passwords worse.

use error::{Reason, Violation};
use input::Violations;

use super::normal::Password;

/// Shortest password, in characters.
pub(crate) const MIN_CHARS: usize = 10;
/// Longest password, in bytes; longer ones would only cost time.
pub(crate) const MAX_BYTES: usize = 1_024;

/// The most guessed passwords of at least [`MIN_CHARS`] characters, and the shorter ones people lengthen (compared without
/// case and without trailing digits and punctuation).
const GUESSED: &[&str] = &[
    "password",
    "passw0rd",
    "p@ssword",
    "p@ssw0rd",
    "passwort",
    "motdepasse",
    "contrasena",
    "passwordpassword",
    "welcome",
    "willkommen",
    "letmein",
    "letmeinnow",
    "qwerty",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qazwsx",
    "qazwsxedc",
    "iloveyou",
    "admin",
    "adminadmin",
    "administrator",
    "changeme",
    "changemenow",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "batman",
    "starwars",
    "trustno",
    "dragon",
    "monkey",
    "master",
    "globcrm",
    "globcrmglobcrm",
    "abc",
    "",
];

/// Reads a password that is to be set: in its normal form and accepted, or a violation at `pointer`.
pub(crate) fn choose(
    sent: &str,
    pointer: &str,
    known: &[&str],
    violations: &mut Violations,
) -> Option<Password> {
    let password = violations.take(pointer, Password::parse(sent))?;
    match check(&password, pointer, known) {
        None => Some(password),
        Some(violation) => {
            violations.push(violation);
            None
        }
    }
}

/// Checks a password; `known` are texts about its owner that it must not repeat (address, slug, names).
fn check(password: &Password, pointer: &str, known: &[&str]) -> Option<Violation> {
    let password = password.text();
    let weak = |detail: &'static str| Some(Violation::new(pointer, Reason::PASSWORD_TOO_WEAK, detail));
    if password.len() > MAX_BYTES {
        return Some(Violation::new(pointer, Reason::TOO_LONG, "at most 1024 bytes"));
    }
    if password.chars().count() < MIN_CHARS {
        return weak("at least 10 characters");
    }
    let lower = password.to_lowercase();
    let stem = lower.trim_end_matches(|c: char| !c.is_alphabetic());
    if GUESSED.contains(&stem) || GUESSED.contains(&lower.as_str()) || repeats_itself(&lower) {
        return weak("one of the passwords that are guessed first");
    }
    let names = known.iter().flat_map(|k| [*k, k.split('@').next().unwrap_or_default()]);
    if names.map(str::to_lowercase).any(|name| !name.is_empty() && (name == lower || name == stem)) {
        return weak("must not be the organization's or your own name or address");
    }
    None
}

/// One character, or a run of neighbours (`1234567890`, `abcdefghij`), all the way.
fn repeats_itself(lower: &str) -> bool {
    let codes: Vec<u32> = lower.chars().map(u32::from).collect();
    [0_i64, 1, -1].iter().any(|step| codes.windows(2).all(|w| i64::from(w[1]) - i64::from(w[0]) == *step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(password: &str, known: &[&str]) -> Option<Violation> {
        super::check(&Password::parse(password).unwrap(), "/password", known)
    }

    #[test]
    fn short_guessed_and_personal_passwords_are_weak() {
        let known = ["ada.lovelace@acme.test", "acme-incorporated", "Acme Incorporated"];
        for weak in [
            "short",
            "ninechars",
            "password123",
            "Password2024!",
            "P@ssw0rd!!",
            "1234567890",
            "0987654321",
            "aaaaaaaaaa",
            "qwertyuiop",
            "changeme123",
            "ada.lovelace@acme.test",
            "Ada.Lovelace",
            "ada.lovelace1",
            "ACME-incorporated",
            "acme incorporated!",
            "ääää",
            // Ten characters as they were sent, nine in the normal form.
            "a\u{308}bcdefghi",
        ] {
            let violation = check(weak, &known).unwrap_or_else(|| panic!("{weak} was accepted"));
            assert_eq!(
                (violation.pointer.as_str(), violation.reason.as_ref()),
                ("/password", "PASSWORD_TOO_WEAK")
            );
        }
    }

    #[test]
    fn long_enough_and_not_guessed_is_accepted_whatever_it_is_made_of() {
        for good in
            ["correct horse battery", "zzkjq82nfa", "пароль-и-ещё", "1029384756-x", "ada.lovelace likes tea"]
        {
            assert_eq!(check(good, &["ada.lovelace@acme.test", "acme"]), None, "{good}");
        }
        assert_eq!(check(&"ab".repeat(600), &[]).unwrap().reason, "TOO_LONG");
    }
}
