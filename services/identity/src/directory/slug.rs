//! The form of a slug.

use error::{Reason, Violation};

/// Names that would read as ours.
const RESERVED: &[&str] = &[
    "admin",
    "api",
    "app",
    "assets",
    "auth",
    "billing",
    "blog",
    "cdn",
    "dashboard",
    "docs",
    "email",
    "ftp",
    "globcrm",
    "help",
    "host",
    "id",
    "identity",
    "imap",
    "internal",
    "localhost",
    "login",
    "mail",
    "me",
    "null",
    "ns1",
    "ns2",
    "pop",
    "root",
    "signup",
    "smtp",
    "sso",
    "static",
    "status",
    "support",
    "system",
    "undefined",
    "webhooks",
    "www",
];

/// Checks a slug: 2 to 40 of `a-z`, `0-9`, `-`, no hyphen at either end, not reserved.
pub(crate) fn check(slug: &str) -> Option<Violation> {
    let refuse = |reason: Reason, text: &'static str| Some(Violation::new("/slug", reason, text));
    if !(2..=40).contains(&slug.len()) {
        return refuse(Reason::SLUG_INVALID, "2 to 40 characters");
    }
    if !slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return refuse(Reason::SLUG_INVALID, "only a-z, 0-9 and -");
    }
    if slug.starts_with('-') || slug.ends_with('-') {
        return refuse(Reason::SLUG_INVALID, "no - at the beginning or end");
    }
    if RESERVED.contains(&slug) {
        return refuse(Reason::SLUG_RESERVED, "this name is reserved");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_short_lower_case_names() {
        let long = "a".repeat(41);
        for good in ["ac", "acme", "acme-2", "4711", "a--b", &long[..40]] {
            assert_eq!(check(good), None, "{good}");
        }
        for bad in ["", "a", &long, "Acme", "acme ", "ac_me", "-acme", "acme-", "äcme", "a.b", "ac\0e"] {
            assert_eq!(check(bad).unwrap().reason, "SLUG_INVALID", "{bad}");
        }
        assert_eq!(check("www").unwrap().reason, "SLUG_RESERVED");
    }
}
