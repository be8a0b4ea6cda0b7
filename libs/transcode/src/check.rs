//! Checks requests that come as protobuf by the rules that JSON ones are checked by: for callers that did not come by the gateway.
//!
//! A caller of the gRPC port can send what no JSON can be made into: text with U+0000, integers that no JSON reader holds, values
//! of an enum that are not defined. They are refused as the gateway refuses their like.

mod walk;

use std::collections::HashMap;

use prost::Message as _;
use proto::descriptor::{FileDescriptorSet, MethodDescriptor};

use crate::plan::{self, Body, CompileError, Method, RequestPlan};
use crate::schema::{FieldPlan, Kind, MessageId, Schema, Shape};
use crate::violation::Violation;

/// The checks of all methods without a request stream, compiled once. Immutable; share it.
#[derive(Debug)]
pub struct Checks {
    schema: Schema,
    by_path: HashMap<String, Check>,
}

/// The check of one method.
#[derive(Debug)]
pub struct Check {
    message: MessageId,
    /// Fields that REST takes from the path, of which the service judges the form itself.
    path: Vec<usize>,
    /// The field that is the REST body; violations name their place in it.
    body: Option<usize>,
    /// The field mask: members that it does not name may be missing.
    mask: Option<usize>,
    /// It is a merge patch (RFC 7396).
    merges: bool,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// 400: not a message of this type.
    #[error("the message cannot be read: {0}")]
    Malformed(&'static str),
    /// 422: every violation; places are JSON pointers. At most [`MAX_VIOLATIONS`](crate::MAX_VIOLATIONS).
    #[error("{} members are not valid", .0.len())]
    Invalid(Vec<Violation>),
}

impl Checks {
    /// Compiles an encoded `FileDescriptorSet` (see [`proto::DESCRIPTORS`]).
    pub fn compile(descriptors: &[u8]) -> Result<Self, CompileError> {
        let set = FileDescriptorSet::decode(descriptors)?;
        crate::unsupported::check(descriptors)?;
        let schema = Schema::compile(&set)?;
        let (rest, _) = plan::compile(&set, &schema)?;
        let mut by_path = HashMap::new();
        for file in &set.file {
            for service in &file.service {
                for method in service.method.iter().filter(|method| !method.client_streaming) {
                    let path = format!("/{}.{}/{}", file.package, service.name, method.name);
                    let bound = rest.iter().find(|bound| bound.full_name == path);
                    let fail = |what| CompileError::Method { method: path.clone(), what };
                    let check = Check::compile(&schema, method, bound).map_err(fail)?;
                    if has_checks(&schema, check.message, &mut Vec::new()) {
                        by_path.insert(path, check);
                    }
                }
            }
        }
        Ok(Self { schema, by_path })
    }

    /// The check of the method at a gRPC path; `None` for one whose messages cannot break a rule.
    pub fn of(&self, path: &str) -> Option<&Check> {
        self.by_path.get(path)
    }

    /// Checks a request in wire form; all violations at once.
    pub fn check(&self, check: &Check, wire: &[u8]) -> Result<(), CheckError> {
        walk::request(&self.schema, check, wire)
    }
}

impl Check {
    fn compile(schema: &Schema, method: &MethodDescriptor, rest: Option<&Method>) -> Result<Self, String> {
        let message = plan::find(schema, &method.input_type)?;
        let Some(rest) = rest else {
            return Ok(Self { message, path: Vec::new(), body: None, mask: None, merges: false });
        };
        let body = match rest.request.body {
            Body::Field { field, .. } => Some(field),
            Body::None | Body::Whole => None,
        };
        let RequestPlan { path, update_mask, merges, .. } = &rest.request;
        Ok(Self { message, path: path.clone(), body, mask: *update_mask, merges: *merges })
    }
}

/// Whether a message of this type, or one inside it, can break a rule.
fn has_checks(schema: &Schema, id: MessageId, seen: &mut Vec<MessageId>) -> bool {
    if seen.contains(&id) {
        return false;
    }
    seen.push(id);
    let can_break = |field: &FieldPlan| match field.kind {
        Kind::Message(inner) => field.rules.is_any() || has_checks(schema, inner, seen),
        Kind::Bool | Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Bytes | Kind::FieldMask => {
            field.rules.is_any()
        }
        _ => true,
    };
    schema.messages[id].fields.iter().filter(|field| !field.output_only).any(can_break)
}

/// Whether a value stands in the message once.
fn is_singular(field: &FieldPlan) -> bool {
    matches!(field.shape, Shape::Implicit | Shape::Explicit)
}
