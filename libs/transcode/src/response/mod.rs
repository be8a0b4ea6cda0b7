//! The answer's message -> JSON, straight into the output buffer.

mod message;
mod value;

use std::borrow::Cow;

use crate::plan::{Method, ResponsePlan};
use crate::schema::{FieldPlan, MessageId, MessagePlan, Schema};
use crate::select::FieldSelection;

use message::{Place, Slot, Writer};

/// Messages inside one another, the outermost included.
const MAX_DEPTH: usize = 32;
/// Slots for the messages open at one time; deeper or wider ones allocate.
const SLOTS: usize = 160;

/// Why an answer cannot be printed: a service and the gateway do not agree. Never the caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not the protobuf wire format.
    #[error("not a protobuf message: {0}")]
    Malformed(&'static str),
    /// The bytes of a field are not of its type.
    #[error("{message}.{field}: {what}")]
    Field {
        /// Full name of the message.
        message: String,
        /// The field's name.
        field: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The answer has no body.
    #[error("{message}.{field} is the body of the answer and is not set")]
    NoBody {
        /// Full name of the message.
        message: String,
        /// The field's name.
        field: String,
    },
    /// Messages nest deeper than any of ours.
    #[error("messages nest more than {MAX_DEPTH} deep")]
    Depth,
    /// No message has this name.
    #[error("the message {0} is not known")]
    UnknownMessage(String),
}

impl DecodeError {
    fn field(plan: &MessagePlan, field: &FieldPlan, what: &'static str) -> Self {
        Self::Field { message: plan.full_name.clone(), field: field.name.to_string(), what }
    }
}

/// What the answer says about the resource in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseMeta {
    /// The resource's `id`, if it has one that is set.
    pub id: Option<String>,
    /// The resource's `version`, for `ETag`, if it has one that is set.
    pub version: Option<i64>,
    /// The path of the resource made, for `Location`, if the method's policy names one.
    pub location: Option<String>,
}

/// What [`Writer`] looks for on its way.
pub(crate) struct Capture<'c> {
    plan: &'c ResponsePlan,
    meta: &'c mut ResponseMeta,
}

/// Appends the answer's JSON; on an error `out` is as it was.
pub(crate) fn decode(
    schema: &Schema,
    method: &Method,
    wire: &[u8],
    fields: Option<&FieldSelection>,
    out: &mut Vec<u8>,
) -> Result<ResponseMeta, DecodeError> {
    let plan = &method.response;
    let mut meta = ResponseMeta::default();
    let start = out.len();
    let mut slots = [Slot::default(); SLOTS];
    let mut writer = Writer::new(schema, out);
    let capture = Capture { plan, meta: &mut meta };
    let whole = &schema.messages[plan.message];
    let result = if let Some((at, inner)) = plan.body {
        let place = Place { plan: whole, field: &whole.fields[at] };
        body(place, wire).and_then(|payload| {
            let select = fields.map(|selection| (None, selection));
            writer.top(&schema.messages[inner], &payload, &mut slots, select, capture)
        })
    } else {
        let select = fields.map(|selection| (plan.list.map(|(at, _)| at), selection));
        writer.top(whole, wire, &mut slots, select, capture)
    };
    if let Err(error) = result {
        out.truncate(start);
        return Err(error);
    }
    Ok(meta)
}

/// The field of the answer that is its body.
fn body<'w>(place: Place<'_>, wire: &'w [u8]) -> Result<Cow<'w, [u8]>, DecodeError> {
    message::payload(place, wire)?.ok_or_else(|| DecodeError::NoBody {
        message: place.plan.full_name.clone(),
        field: place.field.name.to_string(),
    })
}

/// Appends the JSON of any message; on an error `out` is as it was.
pub(crate) fn message(
    schema: &Schema,
    id: MessageId,
    wire: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let start = out.len();
    let mut slots = [Slot::default(); SLOTS];
    let result = Writer::new(schema, out).message(&schema.messages[id], wire, &mut slots, 0);
    if result.is_err() {
        out.truncate(start);
    }
    result
}
