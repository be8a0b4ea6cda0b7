//! Walks a JSON body along its message plan.

use std::borrow::Cow;

use bytes::BytesMut;
use reasons::Reason;

use super::merge::Mask;
use super::{BodyError, RequestError};
use crate::json::copy;
use crate::json::scan::{JsonError, Scanner};
use crate::plan::{Body, RequestPlan};
use crate::rules;
use crate::schema::{FieldPlan, Kind, MessageId, MessagePlan, Schema, Shape};
use crate::violation::Violations;
use crate::wire;

/// The member that says which version a change is based on.
const ETAG: &str = "etag";

/// The body, half read, and the message, half written.
#[derive(Debug)]
pub(super) struct Walk<'a, 'o> {
    pub(super) schema: &'a Schema,
    pub(super) scan: Scanner<'a>,
    pub(super) violations: Violations<'a>,
    pub(super) out: &'o mut BytesMut,
}

/// What is special about the outermost object, and about those that a merge patch merges.
#[derive(Debug, Default)]
struct Top {
    /// Fields that the path or the gateway fills; as members they are unknown.
    taken: Vec<usize>,
    /// Absent members stay as they are, so nothing is required, and objects inside are merged.
    patch: bool,
    /// The members sent.
    mask: Mask,
}

/// Appends the body's part of the request message.
pub(super) fn encode(
    schema: &Schema,
    plan: &RequestPlan,
    json: &[u8],
    out: &mut BytesMut,
) -> Result<(), RequestError> {
    let mut walk = Walk { schema, scan: Scanner::new(json)?, violations: Violations::default(), out };
    if walk.scan.peek()? != b'{' {
        walk.scan.skip_value()?;
        walk.scan.finish()?;
        return Err(RequestError::Body(BodyError::NotAnObject));
    }
    let request = &schema.messages[plan.message];
    let mut top = Top { patch: plan.merges, ..Top::default() };
    match plan.body {
        Body::None => {}
        Body::Whole => {
            top.taken = plan.path.iter().copied().chain(plan.update_mask).collect();
            walk.object(request, Some(&mut top))?;
        }
        Body::Field { field, message } => {
            wire::put_tag(walk.out, request.fields[field].number, wire::LEN);
            let start = walk.out.len();
            walk.object(&schema.messages[message], Some(&mut top))?;
            wire::close_len(walk.out, start);
        }
    }
    walk.scan.finish()?;
    let violations = walk.violations.into_found();
    if !violations.is_empty() {
        return Err(RequestError::Invalid(violations));
    }
    if let Some(mask) = plan.update_mask {
        top.mask.put(out, request.fields[mask].number);
    }
    Ok(())
}

/// One bit for each field of a message.
struct Seen {
    first: u64,
    more: Vec<u64>,
}

impl Seen {
    fn new(fields: usize) -> Self {
        // Most messages fit the first word; `vec![0; 0]` does not allocate.
        Self { first: 0, more: vec![0; fields.saturating_sub(1) / 64] }
    }

    fn word(&mut self, field: usize) -> &mut u64 {
        if field < 64 { &mut self.first } else { &mut self.more[field / 64 - 1] }
    }

    fn add(&mut self, field: usize) {
        *self.word(field) |= 1 << (field % 64);
    }

    fn has(&mut self, field: usize) -> bool {
        *self.word(field) & (1 << (field % 64)) != 0
    }
}

impl<'a> Walk<'a, '_> {
    /// Refuses the value the reader stands at.
    pub(super) fn refuse(&mut self, (reason, detail): rules::Fault) {
        self.violations.add(reason, detail);
    }

    /// Steps over a value of the wrong type.
    pub(super) fn mismatch(&mut self, wanted: &str) -> Result<(), JsonError> {
        self.scan.skip_value()?;
        self.violations.add(Reason::TYPE_MISMATCH, format!("must be {wanted}"));
        Ok(())
    }

    /// Reads a nested message, the reader standing at any value; writes its length and its fields.
    pub(super) fn message(&mut self, id: MessageId) -> Result<(), JsonError> {
        let start = self.out.len();
        if self.scan.peek()? == b'{' {
            let schema = self.schema;
            self.object(&schema.messages[id], None)?;
        } else {
            self.mismatch("an object")?;
        }
        wire::close_len(self.out, start);
        Ok(())
    }

    /// Reads an object, the reader standing at its brace; writes its fields.
    fn object(&mut self, plan: &'a MessagePlan, mut top: Option<&mut Top>) -> Result<(), JsonError> {
        self.scan.open()?;
        let mut object = self.scan.members();
        let mut seen = Seen::new(plan.fields.len());
        while let Some(name) = self.scan.member(&mut object)? {
            let name = name.decode();
            let known = plan.by_name(&name).filter(|at| !is_taken(top.as_deref(), *at));
            let Some(at) = known else {
                self.unknown(name)?;
                continue;
            };
            let field = &plan.fields[at];
            if field.output_only {
                self.scan.skip_value()?;
                continue;
            }
            seen.add(at);
            self.violations.enter_name(Cow::Borrowed(&field.name));
            match top.as_deref_mut() {
                // The version that a change is based on is a condition and no change; any other input is one.
                Some(top) if &*field.name != ETAG => self.sent(field, top)?,
                _ => self.member(field)?,
            }
            self.violations.leave();
        }
        if top.as_deref().is_some_and(|top| top.patch) {
            return Ok(());
        }
        for (at, field) in plan.fields.iter().enumerate() {
            if seen.has(at) || field.output_only || is_taken(top.as_deref(), at) {
                continue;
            }
            if let Err(fault) = rules::check_absent(field) {
                self.violations.enter_name(Cow::Borrowed(&field.name));
                self.refuse(fault);
                self.violations.leave();
            }
        }
        Ok(())
    }

    fn unknown(&mut self, name: Cow<'a, str>) -> Result<(), JsonError> {
        self.scan.skip_value()?;
        self.violations.enter_name(name);
        self.violations.add(Reason::UNKNOWN_FIELD, "is not a member of this object");
        self.violations.leave();
        Ok(())
    }

    /// Reads a member that the mask names: one of a merge patch that is an object is merged, so its own members are named.
    fn sent(&mut self, field: &'a FieldPlan, top: &mut Top) -> Result<(), JsonError> {
        let first = self.scan.peek()?;
        if top.patch && first == b'{' {
            match (field.shape, field.kind) {
                (Shape::Map, _) => {
                    top.mask.enter(&field.name);
                    self.map(field, Some(&mut top.mask))?;
                    top.mask.leave(&field.name);
                    return Ok(());
                }
                (Shape::Explicit, Kind::Message(inner)) => return self.merged(field, inner, top),
                _ => {}
            }
        }
        top.mask.name(&field.name);
        if first == b'n' && top.mask.is_inside() {
            // Whether the object can be without it is known when it is merged.
            return self.scan.word("null");
        }
        self.member(field)
    }

    /// Reads an object that is merged into the one that is there; writes the field with the members sent.
    fn merged(&mut self, field: &'a FieldPlan, inner: MessageId, top: &mut Top) -> Result<(), JsonError> {
        wire::put_tag(self.out, field.number, wire::LEN);
        let start = self.out.len();
        let mut below = Top { patch: true, mask: std::mem::take(&mut top.mask), ..Top::default() };
        below.mask.enter(&field.name);
        let schema = self.schema;
        self.object(&schema.messages[inner], Some(&mut below))?;
        below.mask.leave(&field.name);
        top.mask = below.mask;
        wire::close_len(self.out, start);
        Ok(())
    }

    /// Reads the value of a field and writes the field.
    fn member(&mut self, field: &'a FieldPlan) -> Result<(), JsonError> {
        if self.scan.peek()? == b'n' {
            self.scan.word("null")?;
            if let Err(fault) = rules::check_absent(field) {
                self.refuse(fault);
            }
            return Ok(());
        }
        match field.shape {
            Shape::Repeated => self.list(field),
            Shape::Map => self.map(field, None),
            Shape::Implicit | Shape::Explicit => {
                let start = self.out.len();
                wire::put_tag(self.out, field.number, field.kind.wire_type());
                let zero = self.value(field.kind, &field.rules.value)?;
                if zero && field.shape == Shape::Implicit {
                    self.out.truncate(start);
                }
                Ok(())
            }
        }
    }

    /// Copies JSON text into a `bytes` field, the reader standing at an acceptable value.
    pub(super) fn json(&mut self) -> Result<(), JsonError> {
        copy::value(&mut self.scan, &mut self.violations, self.out)
    }
}

fn is_taken(top: Option<&Top>, field: usize) -> bool {
    top.is_some_and(|top| top.taken.contains(&field))
}
