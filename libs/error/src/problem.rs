//! The error over REST: `application/problem+json` (RFC 9457).

use prost::Message;
use proto::common::v1::AllowedStage;
use reasons::Reason;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{Code, Error};

/// One problem document, ready to be written.
#[derive(Debug, Serialize)]
pub struct Problem<'a> {
    r#type: String,
    title: String,
    status: u16,
    code: &'static str,
    reason: &'a str,
    detail: &'a str,
    /// The URN of the request's id.
    instance: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conflicts: Vec<Conflict>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<Allowed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a std::collections::BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    pointer: &'a str,
    reason: &'a str,
    detail: &'a str,
}

#[derive(Debug, Serialize)]
struct Conflict {
    field: String,
    base: Option<Box<RawValue>>,
    yours: Option<Box<RawValue>>,
    current: Option<Box<RawValue>>,
    /// The values are too large to be given here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    omitted: bool,
}

/// What is possible instead.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Allowed {
    /// Stages that a deal could go to.
    Stages(Vec<Stage>),
    /// Events that the state of a record permits.
    Events(Vec<String>),
}

#[derive(Debug, Serialize)]
struct Stage {
    #[serde(rename = "stage_id")]
    id: String,
    key: String,
    name: String,
}

impl<'a> Problem<'a> {
    /// The document of `error` as the answer to request `request_id`.
    pub fn new(error: &'a Error, request_id: &str) -> Self {
        let status = error.code().http(error.reason());
        // Only what is named otherwise has a text for the caller.
        let internal = error.code() == Code::Internal && error.reason() == Code::Internal.name();
        let Details { conflicts, candidates, allowed } = details(error);
        let listed = Reason::find(error.reason());
        Self {
            r#type: page(listed),
            title: listed.map_or_else(|| words(error.reason()), |reason| reason.title().to_owned()),
            status,
            code: error.code().name(),
            reason: error.reason(),
            detail: if internal { "internal error" } else { error.message() },
            instance: instance(request_id),
            errors: error
                .violations()
                .iter()
                .map(|v| Entry { pointer: &v.pointer, reason: &v.reason, detail: &v.detail })
                .collect(),
            conflicts,
            candidates,
            allowed,
            meta: (!internal && !error.metadata().is_empty()).then(|| error.metadata()),
            retry_after: error.retry_after().map(|d| d.as_secs().max(1)),
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The document as JSON bytes.
    pub fn to_json(&self) -> Vec<u8> {
        // A struct of strings and numbers cannot fail to serialise; an empty document would still be valid.
        serde_json::to_vec(self).unwrap_or_else(|_| b"{}".to_vec())
    }
}

/// A client may choose another id than a UUID; all its characters may stand in a URN.
fn instance(request_id: &str) -> String {
    let hyphen = |(place, b): (usize, u8)| match place {
        8 | 13 | 18 | 23 => b == b'-',
        _ => b.is_ascii_hexdigit(),
    };
    let is_uuid = request_id.len() == 36 && request_id.bytes().enumerate().all(hyphen);
    let kind = if is_uuid { "uuid" } else { "globcrm:request" };
    format!("urn:{kind}:{request_id}")
}

/// What an error says beside what every error says.
#[derive(Default)]
struct Details {
    conflicts: Vec<Conflict>,
    candidates: Vec<String>,
    allowed: Option<Allowed>,
}

fn details(error: &Error) -> Details {
    let mut found = Details::default();
    for any in error.details() {
        match any.type_url.rsplit('/').next() {
            Some("globcrm.common.v1.ConflictDetail") => {
                if let Ok(detail) = proto::common::v1::ConflictDetail::decode(any.value.as_slice()) {
                    found.conflicts.extend(detail.conflicts.into_iter().map(|c| Conflict {
                        field: c.field,
                        base: raw(&c.base),
                        yours: raw(&c.yours),
                        current: raw(&c.current),
                        omitted: c.omitted,
                    }));
                }
            }
            Some("globcrm.common.v1.CandidatesDetail") => {
                if let Ok(detail) = proto::common::v1::CandidatesDetail::decode(any.value.as_slice()) {
                    found.candidates.extend(detail.candidate_ids);
                }
            }
            Some("globcrm.common.v1.AllowedStagesDetail") => {
                if let Ok(detail) = proto::common::v1::AllowedStagesDetail::decode(any.value.as_slice()) {
                    let shown = |stage: AllowedStage| {
                        let AllowedStage { stage_id, key, name } = stage;
                        Stage { id: stage_id, key, name }
                    };
                    found.allowed = Some(Allowed::Stages(detail.allowed.into_iter().map(shown).collect()));
                }
            }
            Some("globcrm.common.v1.AllowedEventsDetail") => {
                if let Ok(detail) = proto::common::v1::AllowedEventsDetail::decode(any.value.as_slice()) {
                    found.allowed = Some(Allowed::Events(detail.allowed));
                }
            }
            _ => {}
        }
    }
    found
}

fn raw(json: &[u8]) -> Option<Box<RawValue>> {
    RawValue::from_string(String::from_utf8(json.to_vec()).ok()?).ok()
}

/// A reference to the reason's page, relative to whatever address the gateway has (RFC 9457, 3.1.1). A reason of a newer service has
/// no page here.
fn page(reason: Option<Reason>) -> String {
    reason.map_or_else(|| "about:blank".to_owned(), |reason| format!("/problems/{reason}"))
}

fn words(reason: &str) -> String {
    let mut text = reason.to_ascii_lowercase().replace('_', " ");
    if let Some(first) = text.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Violation;

    #[test]
    fn a_validation_problem_reads_as_the_contract_says() {
        let error = Error::validation(vec![Violation::new(
            "/emails/0/address",
            Reason::EMAIL_INVALID,
            "not an e-mail address",
        )]);
        let json = Problem::new(&error, "01890a5d-ac96-774b-bcce-b302099a8057").to_json();
        let text = String::from_utf8(json).unwrap();
        assert_eq!(
            text,
            r#"{"type":"/problems/VALIDATION_FAILED","title":"Validation failed","status":422,"code":"INVALID_ARGUMENT","reason":"VALIDATION_FAILED","detail":"1 field is not valid","instance":"urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057","errors":[{"pointer":"/emails/0/address","reason":"EMAIL_INVALID","detail":"not an e-mail address"}]}"#
        );
    }

    #[test]
    fn conflicts_come_back_as_json_values() {
        let detail = proto::common::v1::ConflictDetail {
            conflicts: vec![proto::common::v1::FieldConflict {
                field: "job_title".to_owned(),
                base: "null".into(),
                yours: r#""CTO""#.into(),
                current: r#"{"a":1}"#.into(),
                omitted: false,
            }],
        };
        let error = Error::new(Code::Aborted, Reason::VERSION_STALE, "changed")
            .with_detail("globcrm.common.v1.ConflictDetail", &detail);
        let problem = Problem::new(&error, "x");
        assert_eq!(problem.status(), 412);
        let text = String::from_utf8(problem.to_json()).unwrap();
        let expected = r#""conflicts":[{"field":"job_title","base":null,"yours":"CTO","current":{"a":1}}]"#;
        assert!(text.contains(expected), "{text}");
    }
}
