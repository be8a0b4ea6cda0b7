//! Long-running work, as its owner sees it.

pub(crate) mod cancel;
pub(crate) mod convert;
pub(crate) mod errors;
pub(crate) mod get;
pub(crate) mod store;

use error::{Error, Reason};
use uuid::Uuid;

/// The id of the public id `records.<uuid>`. Anything else names nothing.
fn parse(id: &str) -> Result<Uuid, Error> {
    id.strip_prefix("records.")
        .and_then(ids::OperationId::parse)
        .map(ids::OperationId::uuid)
        .ok_or_else(not_found)
}

/// Another principal's operation answers as one that does not exist.
fn not_found() -> Error {
    Error::not_found(Reason::OPERATION_NOT_FOUND)
}
