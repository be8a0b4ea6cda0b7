//! What an error carries at most.
//!
//! On the wire it is a header, and whoever reads it takes only so many bytes of headers ([`MAX_ENCODED`] and its base64 lie well
//! below what `rpc` takes): a longer one would not arrive at all, and a conflict would look like a broken connection.

use prost::Message;
use proto::common::v1::{CandidatesDetail, ConflictDetail};

use crate::{Error, Violation};

/// Bytes of an error's encoded details, whatever is put into it.
pub const MAX_ENCODED: usize = 24 << 10;

const MESSAGE: usize = 1 << 10;
/// Bytes of one text: a pointer, a detail, a fact.
const TEXT: usize = 512;
const FACTS: usize = 2 << 10;
const VIOLATIONS: usize = 6 << 10;
const CONFLICTS: usize = 12 << 10;
/// What an entry costs beside its texts: tags and lengths.
const ENTRY: usize = 16;
const CANDIDATES: usize = 32;

impl Error {
    /// The same error with no more in it than an answer can carry: texts are cut, values and entries left out. Facts
    /// (`violations_left_out`, `conflicts_left_out`, …) say how many.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let inner = &mut *self.0;
        if inner.message.len() > MESSAGE {
            let mut text = std::mem::take(&mut inner.message).into_owned();
            cut(&mut text, MESSAGE);
            inner.message = text.into();
        }
        let mut facts = 0;
        inner.metadata.retain(|key, value| {
            cut(value, TEXT);
            facts += key.len() + value.len() + ENTRY;
            facts <= FACTS
        });
        let mut left_out = vec![("violations_left_out", violations(&mut inner.violations))];
        inner.details.retain_mut(|detail| match detail.type_url.rsplit('/').next() {
            Some("globcrm.common.v1.ConflictDetail") => {
                left_out.push(("conflicts_left_out", conflicts(&mut detail.value)));
                true
            }
            Some("globcrm.common.v1.CandidatesDetail") => {
                left_out.push(("candidates_left_out", candidates(&mut detail.value)));
                true
            }
            _ => {
                let fits = detail.value.len() <= FACTS;
                left_out.push(("details_left_out", usize::from(!fits)));
                fits
            }
        });
        for (fact, count) in left_out.into_iter().filter(|(_, count)| *count > 0) {
            inner.metadata.insert(fact.to_owned(), count.to_string());
        }
        self
    }
}

/// Cuts a text at a character, and shows it.
fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let mut end = most - '…'.len_utf8();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
}

/// Keeps the first ones; gives how many went.
fn violations(all: &mut Vec<Violation>) -> usize {
    let (mut size, before) = (0, all.len());
    let mut kept = 0;
    for violation in all.iter_mut() {
        cut(&mut violation.pointer, TEXT);
        if violation.detail.len() > TEXT {
            let mut text = std::mem::take(&mut violation.detail).into_owned();
            cut(&mut text, TEXT);
            violation.detail = text.into();
        }
        size += violation.pointer.len() + violation.detail.len() + violation.reason.len() + ENTRY;
        if size > VIOLATIONS {
            break;
        }
        kept += 1;
    }
    all.truncate(kept);
    before - kept
}

/// Leaves out values that are too large, field by field, and then fields; gives how many fields went.
fn conflicts(encoded: &mut Vec<u8>) -> usize {
    if encoded.len() <= CONFLICTS {
        return 0;
    }
    let Ok(mut detail) = ConflictDetail::decode(encoded.as_slice()) else { return 0 };
    // The names first: which fields they are matters more than what stands in them.
    let (mut size, before) = (0, detail.conflicts.len());
    let mut named = 0;
    for conflict in &detail.conflicts {
        size += conflict.field.len() + ENTRY;
        if size > CONFLICTS / 2 {
            break;
        }
        named += 1;
    }
    detail.conflicts.truncate(named);
    for conflict in &mut detail.conflicts {
        let values = conflict.base.len() + conflict.yours.len() + conflict.current.len();
        if size + values > CONFLICTS {
            (conflict.base, conflict.yours, conflict.current) = Default::default();
            conflict.omitted = true;
        } else {
            size += values;
        }
    }
    *encoded = detail.encode_to_vec();
    before - named
}

fn candidates(encoded: &mut Vec<u8>) -> usize {
    let Ok(mut detail) = CandidatesDetail::decode(encoded.as_slice()) else { return 0 };
    let before = detail.candidate_ids.len();
    if before <= CANDIDATES {
        return 0;
    }
    detail.candidate_ids.truncate(CANDIDATES);
    *encoded = detail.encode_to_vec();
    before - CANDIDATES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Problem};
    use proto::common::v1::FieldConflict;
    use reasons::Reason;

    fn size(error: Error) -> (usize, Error) {
        let status = tonic::Status::from(error);
        let size = status.details().len();
        assert!(size <= MAX_ENCODED, "{size}");
        (size, Error::from(status))
    }

    fn conflict(field: &str, value: &str) -> FieldConflict {
        let json = || format!("\"{value}\"").into_bytes().into();
        FieldConflict {
            field: field.to_owned(),
            base: json(),
            yours: json(),
            current: json(),
            ..Default::default()
        }
    }

    fn stale(conflicts: Vec<FieldConflict>) -> Error {
        let detail = ConflictDetail { conflicts };
        Error::new(Code::Aborted, Reason::VERSION_STALE, "stale")
            .with_detail("globcrm.common.v1.ConflictDetail", &detail)
    }

    #[test]
    fn everything_at_its_largest_still_fits() {
        let long = "ü".repeat(5_000);
        let mut error = stale((0..5_000).map(|n| conflict(&format!("custom.field_{n}"), &long)).collect());
        error = error.with_detail(
            "globcrm.common.v1.CandidatesDetail",
            &CandidatesDetail { candidate_ids: vec!["01890a5d-ac96-774b-bcce-b302099a8057".to_owned(); 900] },
        );
        error = error.with_detail("globcrm.common.v1.Unknown", &conflict(&long, &long));
        for n in 0..900 {
            error = error.with_metadata(format!("fact_{n}"), &long);
        }
        let mut invalid =
            Error::validation(vec![Violation::new(long.clone(), Reason::UNKNOWN_FIELD, long.clone()); 900]);
        invalid.0.message = long.clone().into();
        invalid.0.details = error.details().to_vec();
        invalid.0.metadata = error.metadata().clone();
        let (_, got) = size(invalid);
        assert_eq!((got.code(), got.reason()), (Code::Unprocessable, "VALIDATION_FAILED"));
        assert!(got.metadata().contains_key("violations_left_out"), "{:?}", got.metadata());
        assert!(got.message().ends_with('…'));
        let (_, got) = size(error);
        assert_eq!(got.code(), Code::Aborted);
        assert_eq!(got.metadata()["candidates_left_out"], "868");
    }

    #[test]
    fn violations_that_are_left_out_are_counted() {
        let all =
            (0..300).map(|n| Violation::new(format!("/custom/key_{n}"), Reason::UNKNOWN_FIELD, "is unknown"));
        let (_, got) = size(Error::validation(all.collect()));
        let left_out: usize = got.metadata()["violations_left_out"].parse().unwrap();
        assert_eq!((got.violations().len() + left_out, got.message()), (300, "300 fields are not valid"));
        assert!(got.violations().len() > 50);
    }

    #[test]
    fn a_conflict_of_large_values_is_named_and_one_of_small_values_stands_beside_it() {
        let large = "x".repeat(20_000);
        let (_, got) = size(stale(vec![conflict("description", &large), conflict("name", "Acme")]));
        let problem = String::from_utf8(Problem::new(&got, "x").to_json()).unwrap();
        let omitted = r#"{"field":"description","base":null,"yours":null,"current":null,"omitted":true}"#;
        let whole = r#"{"field":"name","base":"Acme","yours":"Acme","current":"Acme"}"#;
        assert!(problem.contains(omitted) && problem.contains(whole), "{problem}");
        assert!(!got.metadata().contains_key("conflicts_left_out"));
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let text = "y".repeat(3_900);
        let (_, got) = size(stale(vec![conflict("description", &text)]));
        assert!(String::from_utf8(Problem::new(&got, "x").to_json()).unwrap().contains(&text));
    }
}
