//! Writes that start from an older version than the one that stands (pitfall 5.2).
//!
//! `If-Match` is strict: any other version is 412. A body `etag` is lenient: changes of disjoint fields merge, and only a
//! field that both sides changed is a 409. Both answers carry what the caller started from, wants, and would overwrite.

use std::collections::BTreeMap;

use error::{Code, Error, Reason, Violation};
use proto::common::v1::{ConflictDetail, FieldConflict};
use serde_json::Value;

use super::change::Diff;

/// The fields that changed since the caller's version, with their values at that version.
pub(crate) type Base = BTreeMap<String, Value>;

/// The version that a body `etag` names: as in the header, strong or weak, or the bare number.
pub(crate) fn parse_etag(etag: Option<&str>) -> Result<Option<i64>, Violation> {
    let Some(text) = etag.map(str::trim) else { return Ok(None) };
    let bare = || text.parse().ok().filter(|version| *version > 0);
    match auth::version_of(text).or_else(bare) {
        Some(version) => Ok(Some(version)),
        None => Err(Violation::new(
            "/etag",
            Reason::ETAG_INVALID,
            "the version of the record is expected, like \"3\"",
        )),
    }
}

/// 412, with the fields that both sides changed.
pub(crate) fn version_stale(current: i64, yours: &[Diff], base: &Base) -> Error {
    auth::version_stale(current).with_detail("globcrm.common.v1.ConflictDetail", &detail(yours, base))
}

/// 409 when both sides changed a field to different values; else the changes merge.
pub(crate) fn check_merge(current: i64, yours: &[Diff], base: &Base) -> Result<(), Error> {
    let detail = detail(yours, base);
    if detail.conflicts.is_empty() {
        return Ok(());
    }
    Err(Error::new(Code::Aborted, Reason::EDIT_CONFLICT, "someone else changed the same fields")
        .with_metadata("version", current.to_string())
        .with_detail("globcrm.common.v1.ConflictDetail", &detail))
}

/// `yours` are the changes against what stands, so a field that both sides set to the same value is not among them. They
/// are fields that the caller writes, so nothing hidden can be among them either.
fn detail(yours: &[Diff], base: &Base) -> ConflictDetail {
    let json = |value: &Value| value.to_string().into_bytes().into();
    let both = yours.iter().filter_map(|diff| base.get(&diff.field).map(|base| (diff, base)));
    let conflicts = both.map(|(diff, base)| FieldConflict {
        field: diff.field.clone(),
        base: json(base),
        yours: json(&diff.after),
        current: json(&diff.before),
        omitted: false,
    });
    ConflictDetail { conflicts: conflicts.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn yours(field: &str, current: Value, wanted: Value) -> Vec<Diff> {
        vec![Diff { field: field.to_owned(), before: current, after: wanted }]
    }

    #[test]
    fn changes_of_disjoint_fields_merge() {
        let base = Base::from([("score".to_owned(), json!(1))]);
        check_merge(4, &yours("job_title", json!("CEO"), json!("CTO")), &base).unwrap();
        let error = check_merge(4, &yours("score", json!(2), json!(3)), &base).unwrap_err();
        assert_eq!((error.code(), error.reason()), (Code::Aborted, "EDIT_CONFLICT"));
        let problem: Value = serde_json::from_slice(
            &error::Problem::new(&error, "01890a5d-ac96-774b-bcce-b302099a8057").to_json(),
        )
        .unwrap();
        assert_eq!(problem["status"], 409);
        assert_eq!(problem["conflicts"], json!([{"field": "score", "base": 1, "yours": 3, "current": 2}]));
    }

    #[test]
    fn a_stale_if_match_is_refused_even_where_nothing_meets() {
        let error = version_stale(4, &yours("job_title", json!("a"), json!("b")), &Base::new());
        let problem = error::Problem::new(&error, "");
        assert_eq!(problem.status(), 412);
    }

    #[test]
    fn an_etag_is_a_version() {
        assert_eq!(parse_etag(Some("\"3\"")).unwrap(), Some(3));
        for good in ["3", "W/\"3\"", " \"3\" ", "W/\"3-17-0123456789abcdef\""] {
            assert_eq!(parse_etag(Some(good)).unwrap(), Some(3), "{good}");
        }
        assert_eq!(parse_etag(None).unwrap(), None);
        for bad in ["", " ", "\"", "x", "0", "-1", "W/3", "\"3\", \"4\""] {
            assert_eq!(parse_etag(Some(bad)).unwrap_err().reason, "ETAG_INVALID", "{bad}");
        }
    }
}
