//! Pages of several services as one.

use error::Error;
use prost::Message;
use proto::common::v1::Operation;
use proto::records::v1::ListOperationsResponse;
use query::list::MAX_PAGE_BYTES;
use query::page::{Newest, PageRequest};

/// What a service answered.
#[derive(Debug)]
pub(super) struct Part {
    /// What the ids of its operations begin with.
    pub(super) service: &'static str,
    /// The newest first.
    pub(super) operations: Vec<Operation>,
    /// It has others after these.
    pub(super) more: bool,
}

/// A page that no service gives.
#[derive(Debug, thiserror::Error)]
pub(super) enum Defect {
    /// It cannot be put in order.
    #[error("{0} lists an operation without a moment, or with an id that is not its own")]
    Place(&'static str),
    /// Its next page would be the same.
    #[error("{0} has more operations and lists none")]
    Empty(&'static str),
    /// There is no token for the next page.
    #[error(transparent)]
    Token(#[from] Error),
}

/// One page out of the services' pages after the same place.
pub(super) fn merge(
    page: &PageRequest<'_, Newest>,
    parts: Vec<Part>,
) -> Result<ListOperationsResponse, Defect> {
    let more = parts.iter().any(|part| part.more);
    let mut rows = Vec::new();
    // Where a service's page ends and its list does not, nothing is known of what comes after: the first such end is that of the page.
    let mut end = None;
    for Part { service, operations, more } in parts {
        let mut last = None;
        for operation in operations {
            let place = place(service, &operation).ok_or(Defect::Place(service))?;
            last = Some(place);
            rows.push((place, operation));
        }
        if more {
            end = end.max(Some(last.ok_or(Defect::Empty(service))?));
        }
    }
    rows.retain(|(place, _)| Some(*place) >= end);
    rows.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
    let most = within_bytes(&rows);
    let next_page_token = page.cut_of_more(&mut rows, most, more, |(place, _)| *place)?;
    let operations = rows.into_iter().map(|(_, operation)| operation).collect();
    Ok(ListOperationsResponse { operations, next_page_token })
}

/// How many of the rows have at most [`MAX_PAGE_BYTES`] together.
fn within_bytes(rows: &[(Newest, Operation)]) -> usize {
    let mut bytes = 0;
    let fits = |(_, operation): &&(Newest, Operation)| {
        bytes += operation.encoded_len();
        bytes <= MAX_PAGE_BYTES
    };
    rows.iter().take_while(fits).count()
}

/// When an operation was asked for, and its id without the service: what each service lists its own by.
pub(super) fn place(service: &str, operation: &Operation) -> Option<Newest> {
    let id = operation.id.strip_prefix(service)?.strip_prefix('.')?;
    let created_at = proto::moment(operation.created_at.as_ref()?)?;
    Some(Newest { created_at, id: uuid::Uuid::try_parse(id).ok()? })
}
