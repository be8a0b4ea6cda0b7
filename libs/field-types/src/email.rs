//! E-mail addresses.

use email_address::{EmailAddress, Options};
use reasons::Reason;
use unicode_normalization::UnicodeNormalization;

use crate::{FieldError, text};

/// Longest address, in bytes (RFC 5321, errata 1690).
pub(crate) const EMAIL_BYTES: usize = 254;

/// The canonical address: valid after RFC 5321 without display name and address literal, lower case, the domain in
/// ASCII (IDNA), at least two labels. Mailboxes that differ by case only do not exist in practice, so they are one.
pub fn parse(value: &str) -> Result<String, FieldError> {
    let invalid = || FieldError::new(Reason::EMAIL_INVALID, "not an e-mail address");
    let trimmed = text::bare(value);
    // Before any work: an address cannot be longer in Unicode than this, whatever its encoding.
    if trimmed.len() > 4 * EMAIL_BYTES || trimmed.chars().any(char::is_control) {
        return Err(invalid());
    }
    let (local, domain) = trimmed.rsplit_once('@').ok_or_else(invalid)?;
    let domain = idna::domain_to_ascii_strict(&visible_host(domain)).map_err(|_| invalid())?;
    if is_number(&domain) {
        return Err(FieldError::new(
            Reason::EMAIL_INVALID,
            "the domain of an address is a name, not a number",
        ));
    }
    let local = local_part(local);
    let address = format!("{local}@{domain}");
    if address.len() > EMAIL_BYTES {
        return Err(FieldError::new(Reason::EMAIL_INVALID, format!("at most {EMAIL_BYTES} bytes")));
    }
    let options = Options { minimum_sub_domains: 2, allow_domain_literal: false, allow_display_text: false };
    EmailAddress::parse_with_options(&address, options).map_err(|_| invalid())?;
    Ok(address)
}

/// The address as it is searched: its stored form, with the domain in Unicode. It takes the beginning of an address as well, so that
/// `zoe@bü` finds `zoe@bücher.example`, which is stored in ASCII.
pub(crate) fn searched(value: &str) -> String {
    let bare = text::bare(value);
    match bare.rsplit_once('@') {
        Some((local, domain)) => format!("{}@{}", local_part(local), host_in_unicode(&visible_host(domain))),
        None => local_part(bare),
    }
}

/// Marks that cannot be seen come with copies from elsewhere, and would make one address two.
fn local_part(local: &str) -> String {
    let visible = local.chars().filter(|c| !text::is_ignorable(*c));
    visible.nfc().collect::<String>().to_lowercase().nfc().collect()
}

/// Joiners stay: words of some scripts need them, and IDNA says where.
fn visible_host(host: &str) -> String {
    host.chars().filter(|c| matches!(c, '\u{200c}' | '\u{200d}') || !text::is_ignorable(*c)).collect()
}

/// A host in Unicode. What is not a host, or not yet a whole one, stays as it is.
pub(crate) fn host_in_unicode(host: &str) -> String {
    let (unicode, result) = idna::domain_to_unicode(host);
    if result.is_ok() { unicode } else { host.to_lowercase() }
}

/// Whether a host ends in a number: an IPv4 address in one of its spellings, or nothing. No top-level domain is one (RFC 3696).
pub(crate) fn is_number(host: &str) -> bool {
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    let is_hex = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    !last.is_empty() && (is_hex || last.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The domain of a canonical address.
pub fn domain(address: &str) -> Option<&str> {
    address.rsplit_once('@').map(|(_, domain)| domain)
}
