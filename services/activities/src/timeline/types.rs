//! The types of entries.

use std::collections::BTreeSet;

use error::{Error, Reason};

pub(super) const ACTIVITY: &str = "activity";
pub(super) const NOTE: &str = "note";
pub(super) const STAGE_CHANGE: &str = "stage_change";
pub(super) const FIELD_CHANGE: &str = "field_change";
pub(super) const RECORD: &str = "record";

const ALL: [&str; 5] = [ACTIVITY, NOTE, STAGE_CHANGE, FIELD_CHANGE, RECORD];

/// Reads the types asked for, in their order; all, if none is named. Errors: 400 `TIMELINE_TYPE_UNKNOWN`.
pub(super) fn read(types: &str) -> Result<Vec<&'static str>, Error> {
    let names: BTreeSet<&str> = types.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if let Some(unknown) = names.iter().find(|name| !ALL.contains(name)) {
        let text = format!("types: {unknown:?} is not one of {}", ALL.join(", "));
        return Err(Error::malformed(Reason::TIMELINE_TYPE_UNKNOWN, text).with_metadata("parameter", "types"));
    }
    Ok(ALL.into_iter().filter(|name| names.is_empty() || names.contains(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_in_any_order_and_an_unknown_one_is_refused_by_name() {
        assert_eq!(read("").unwrap(), ALL);
        assert_eq!(read(" record,note ,note,").unwrap(), [NOTE, RECORD]);
        let refused = read("note,email").unwrap_err();
        assert_eq!(refused.reason(), "TIMELINE_TYPE_UNKNOWN");
        let text = refused.to_string();
        assert!(text.contains("\"email\"") && ALL.iter().all(|name| text.contains(name)), "{text}");
    }
}
