//! The errors a caller can cause, each with its reason and position.

use std::borrow::Cow;

use error::{Code, Error, Reason};

use crate::count::SMALL_SET;
use crate::list::Deleted;
use crate::schema::Named;

/// 400: the filter cannot be read. `at` is the number of characters before the place.
pub(crate) fn filter(at: usize, detail: impl Into<Cow<'static, str>>) -> Error {
    positioned(Reason::FILTER_INVALID, "filter", at, detail.into())
}

/// 400: the filter is longer or deeper than allowed.
pub(crate) fn too_complex(at: usize, detail: impl Into<Cow<'static, str>>) -> Error {
    positioned(Reason::FILTER_TOO_COMPLEX, "filter", at, detail.into())
}

/// 400: a value or an operator that does not fit the field's type.
pub(crate) fn type_mismatch(at: usize, detail: impl Into<Cow<'static, str>>) -> Error {
    positioned(Reason::FILTER_TYPE_MISMATCH, "filter", at, detail.into())
}

/// 400: an unknown field, or a hidden one: the same bytes.
pub(crate) fn unknown_field(parameter: &'static str, at: usize, name: &str) -> Error {
    // The name comes from the caller's own text; a long one is not repeated in full.
    let shown = field_types::text::cut(name, 80);
    positioned(Reason::UNKNOWN_FIELD, parameter, at, format!("there is no field {shown}").into())
}

/// 400: the order cannot be read or is not possible for the field.
pub(crate) fn order(at: usize, detail: impl Into<Cow<'static, str>>) -> Error {
    positioned(Reason::ORDER_INVALID, "order_by", at, detail.into())
}

/// 400: `fields` cannot be read.
pub(crate) fn fields(at: usize, detail: impl Into<Cow<'static, str>>) -> Error {
    positioned(Reason::FIELDS_INVALID, "fields", at, detail.into())
}

/// The reason of [`not_indexed`].
pub(crate) const NOT_INDEXED: Reason = Reason::FIELD_NOT_INDEXED;

/// 422: possible with an index only, as there are more rows than [`SMALL_SET`].
pub(crate) fn not_indexed(object: &str, field: &Named<'_>, rows: Deleted) -> Error {
    let trash = if rows == Deleted::Only { " of the trash" } else { "" };
    let name = field.name;
    let detail = format!(
        "no index serves {name}, and more than {SMALL_SET} records{trash} are too many to filter or sort by it; \
         filter by an indexed field as well"
    );
    needs_index(object, field, rows, detail)
}

/// 422: as [`not_indexed`], where the indexed part of the filter leaves more rows than [`SMALL_SET`].
pub(crate) fn too_many_chosen(object: &str, field: &Named<'_>, rows: Deleted) -> Error {
    let name = field.name;
    let detail = format!(
        "no index serves {name}, and what the filter says of indexed fields leaves more than {SMALL_SET} records, which are \
         too many to filter by {name}; narrow the filter"
    );
    needs_index(object, field, rows, detail)
}

fn needs_index(object: &str, field: &Named<'_>, rows: Deleted, detail: String) -> Error {
    // Clients cannot give an index to a standard field, nor to the trash.
    let action = if field.is_custom() && rows == Deleted::Hidden { "index" } else { "narrow" };
    refused_without_index(object, field.name, action, detail)
}

/// 422: an operator that an index alone can answer, however few the records are.
pub(crate) fn operator_not_indexed(object: &str, name: &str) -> Error {
    let detail = format!("{name} is not indexed, and the operator : needs an index");
    refused_without_index(object, name, "index", detail)
}

fn refused_without_index(object: &str, name: &str, action: &'static str, detail: String) -> Error {
    Error::new(Code::Unprocessable, NOT_INDEXED, detail)
        .with_metadata("field", name)
        .with_metadata("object", object)
        .with_metadata("action", action)
}

/// 400: a page token of another request.
pub(crate) fn token_mismatch() -> Error {
    Error::malformed(Reason::PAGE_TOKEN_MISMATCH, "the page token belongs to a request with other arguments")
        .with_metadata("parameter", "page_token")
}

/// 400: not a page token of ours.
pub(crate) fn token_invalid() -> Error {
    Error::malformed(Reason::PAGE_TOKEN_INVALID, "not a page token").with_metadata("parameter", "page_token")
}

/// 400: a page size that no page has.
pub(crate) fn page_size(max: usize) -> Error {
    Error::malformed(Reason::PAGE_SIZE_INVALID, format!("page_size is between 1 and {max}"))
        .with_metadata("parameter", "page_size")
}

fn positioned(reason: Reason, parameter: &'static str, at: usize, detail: Cow<'static, str>) -> Error {
    Error::malformed(reason, format!("{parameter}, character {at}: {detail}"))
        .with_metadata("parameter", parameter)
        .with_metadata("position", at.to_string())
}
