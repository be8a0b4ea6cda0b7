//! E-mail addresses.

use email_address::{EmailAddress, Options};
use reasons::Reason;
use unicode_normalization::UnicodeNormalization;

use crate::FieldError;

/// Longest address, in bytes (RFC 5321, errata 1690).
pub(crate) const EMAIL_BYTES: usize = 254;

/// The canonical address: valid after RFC 5321 without display name and address literal, lower case, the domain in
/// ASCII (IDNA), at least two labels. Mailboxes that differ by case only do not exist in practice, so they are one.
pub fn parse(value: &str) -> Result<String, FieldError> {
    let invalid = || FieldError::new(Reason::EMAIL_INVALID, "not an e-mail address");
    let trimmed = value.trim();
    // Before any work: an address cannot be longer in Unicode than this, whatever its encoding.
    if trimmed.len() > 4 * EMAIL_BYTES || trimmed.chars().any(char::is_control) {
        return Err(invalid());
    }
    let (local, domain) = trimmed.rsplit_once('@').ok_or_else(invalid)?;
    let domain = idna::domain_to_ascii_strict(domain).map_err(|_| invalid())?;
    let local: String = local.nfc().collect::<String>().to_lowercase().nfc().collect();
    let address = format!("{local}@{domain}");
    if address.len() > EMAIL_BYTES {
        return Err(FieldError::new(Reason::EMAIL_INVALID, format!("at most {EMAIL_BYTES} bytes")));
    }
    let options = Options { minimum_sub_domains: 2, allow_domain_literal: false, allow_display_text: false };
    EmailAddress::parse_with_options(&address, options).map_err(|_| invalid())?;
    Ok(address)
}

/// The domain of a canonical address.
pub fn domain(address: &str) -> Option<&str> {
    address.rsplit_once('@').map(|(_, domain)| domain)
}
