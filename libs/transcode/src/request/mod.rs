//! Path, query and JSON body -> the request message.

mod body;
mod list;
mod merge;
mod query;
mod value;

use bytes::BytesMut;

pub use crate::json::scan::{JsonError, JsonFault};
use crate::plan::{Body, Method};
use crate::router::PathParams;
use crate::schema::Schema;
use crate::select::FieldSelection;
use crate::violation::Violation;
use crate::wire;

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// 400: the body is not JSON, or not JSON that means one thing.
    #[error("the body is not valid JSON: {0}")]
    Json(#[from] JsonError),
    /// 400: the body is missing, not wanted, or not an object.
    #[error("{0}")]
    Body(BodyError),
    /// 400: every query parameter that is wrong; places are names of parameters.
    #[error("{} query parameters are not valid", .0.len())]
    Query(Vec<Violation>),
    /// 422: every violation of a well-formed body; places are JSON pointers. At most
    /// [`MAX_VIOLATIONS`](crate::MAX_VIOLATIONS).
    #[error("{} members are not valid", .0.len())]
    Invalid(Vec<Violation>),
}

/// What is wrong with a body as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The method needs one.
    #[error("a JSON body is required")]
    Missing,
    /// The method takes none.
    #[error("this method takes no body")]
    NotAllowed,
    /// The JSON is an array, a string, …
    #[error("the body must be a JSON object")]
    NotAnObject,
}

/// What the encoder found in a request beside its message.
#[derive(Debug, Default)]
pub struct RequestMeta {
    /// The members asked for by `fields=`; to be handed to `decode_response`.
    pub selection: Option<FieldSelection>,
}

/// Appends the request message to `out`; on an error `out` is as it was.
pub(crate) fn encode(
    schema: &Schema,
    method: &Method,
    params: &PathParams<'_>,
    query: &str,
    json: Option<&[u8]>,
    out: &mut BytesMut,
) -> Result<RequestMeta, RequestError> {
    let start = out.len();
    let result = encode_parts(schema, method, params, query, json, out);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn encode_parts(
    schema: &Schema,
    method: &Method,
    params: &PathParams<'_>,
    query: &str,
    json: Option<&[u8]>,
    out: &mut BytesMut,
) -> Result<RequestMeta, RequestError> {
    let plan = &method.request;
    let message = &schema.messages[plan.message];
    for (field, value) in plan.path.iter().zip(&params.0) {
        wire::put_field(out, message.fields[*field].number, value.as_bytes());
    }
    let meta = query::encode(schema, method, query, out).map_err(RequestError::Query)?;
    // A body of white space is none.
    let json = json.filter(|bytes| !bytes.trim_ascii().is_empty());
    let bytes = match (plan.body, json) {
        (Body::None, None) => return Ok(meta),
        (Body::None, Some(_)) => return Err(RequestError::Body(BodyError::NotAllowed)),
        (Body::Field { .. }, None) => return Err(RequestError::Body(BodyError::Missing)),
        (Body::Whole, None) => b"{}",
        (_, Some(bytes)) => bytes,
    };
    body::encode(schema, plan, bytes, out)?;
    Ok(meta)
}
