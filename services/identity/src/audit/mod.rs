//! The audit log, as it is read: pages of it, and the walk that finds what was changed behind the service's back. It is written by
//! `changes`, and by the consumer here for what other services report.

mod convert;
pub(crate) mod list;
mod reported;
mod store;
pub(crate) mod verify;

use error::{Error, Reason};

pub(crate) use reported::Reports;

/// 400: a parameter of the query that cannot be read.
fn malformed(parameter: &'static str, text: &'static str) -> Error {
    Error::malformed(Reason::QUERY_MALFORMED, format!("{parameter}: {text}"))
        .with_metadata("parameter", parameter)
}
