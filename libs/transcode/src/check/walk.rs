//! Walks a message on the wire along its plan.
//!
//! What the reader here refuses is refused, so that it may be stricter than the one of the service, never laxer.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use reasons::Reason;

use super::{Check, CheckError, is_singular};
use crate::json::copy;
use crate::json::scan::{JsonError, Scanner};
use crate::response::DecodeError;
use crate::rules::{self, Fault, ValueRules};
use crate::schema::{FieldPlan, Kind, MessageId, Schema};
use crate::timestamp;
use crate::violation::Violations;
use crate::wire::{self, Reader};

/// Messages inside each other; the service's own reader takes no more.
const MAX_DEPTH: usize = 100;
/// `google.protobuf.FieldMask.paths`.
const PATHS: u32 = 1;

/// The message is not one of its type.
struct Malformed(&'static str);

impl From<DecodeError> for Malformed {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Malformed(what) => Self(what),
            _ => Self("a field is not of its type"),
        }
    }
}

/// The message, half read.
struct Walk<'w> {
    schema: &'w Schema,
    violations: Violations<'w>,
    depth: usize,
}

/// A repeated element, to be compared with the others.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Element<'w> {
    Bytes(&'w [u8]),
    Number(u64),
}

/// What a message holds, by field.
#[derive(Default)]
struct Held<'w> {
    counts: BTreeMap<usize, u64>,
    /// The pieces of singular messages: sent in several, they are one.
    inner: BTreeMap<usize, Vec<&'w [u8]>>,
    /// The elements of lists without repetitions.
    unique: BTreeMap<usize, BTreeSet<Element<'w>>>,
    /// The paths of the field mask; without one, nothing is named.
    named: BTreeSet<&'w [u8]>,
}

pub(super) fn request(schema: &Schema, check: &Check, wire: &[u8]) -> Result<(), CheckError> {
    let mut walk = Walk { schema, violations: Violations::default(), depth: 0 };
    walk.top(check, wire).map_err(|Malformed(what)| CheckError::Malformed(what))?;
    let violations = walk.violations.into_found();
    if violations.is_empty() { Ok(()) } else { Err(CheckError::Invalid(violations)) }
}

impl<'w> Walk<'w> {
    fn top(&mut self, check: &Check, wire: &'w [u8]) -> Result<(), Malformed> {
        let plan = &self.schema.messages[check.message];
        let ignored = |at: usize| check.path.contains(&at) || plan.fields[at].output_only;
        let mut held = self.read(check.message, &[wire], &ignored)?;
        if let Some(mask) = check.mask {
            for piece in held.inner.remove(&mask).unwrap_or_default() {
                read_paths(piece, &mut held.named)?;
            }
        }
        // Of a merge patch, only the members that the mask names are there to be missed; inside one that is merged, none is.
        let named = std::mem::take(&mut held.named);
        let missed = |field: &FieldPlan| !check.merges || named.contains(field.name.as_bytes());
        let Some(body) = check.body else {
            let skip = |at: usize| ignored(at) || check.mask == Some(at);
            return self.finish(check.message, held, &skip, &missed, check.merges);
        };
        let pieces = held.inner.remove(&body).unwrap_or_default();
        let skip = |at: usize| ignored(at) || at == body || check.mask == Some(at);
        self.finish(check.message, held, &skip, &|_| true, false)?;
        let Kind::Message(inner) = plan.fields[body].kind else { return Ok(()) };
        self.message(inner, &pieces, &missed, check.merges)
    }

    /// A message of one or more pieces; `missed` says which absent fields count, and `merges` whether those inside a field that does
    /// not count do not either.
    fn message(
        &mut self,
        id: MessageId,
        pieces: &[&'w [u8]],
        missed: &dyn Fn(&FieldPlan) -> bool,
        merges: bool,
    ) -> Result<(), Malformed> {
        if self.depth == MAX_DEPTH {
            return Err(Malformed("messages are nested too deep"));
        }
        self.depth += 1;
        let plan = &self.schema.messages[id];
        let ignored = |at: usize| plan.fields[at].output_only;
        let held = self.read(id, pieces, &ignored)?;
        self.finish(id, held, &ignored, missed, merges)?;
        self.depth -= 1;
        Ok(())
    }

    /// Checks what stands in a message, value by value.
    fn read(
        &mut self,
        id: MessageId,
        pieces: &[&'w [u8]],
        ignored: &dyn Fn(usize) -> bool,
    ) -> Result<Held<'w>, Malformed> {
        let plan = &self.schema.messages[id];
        let mut held = Held::default();
        for piece in pieces {
            let (mut reader, mut hint) = (Reader::new(piece), 0);
            while !reader.done() {
                let (number, wire_type) = reader.tag()?;
                let Some(at) = plan.by_number(number, hint) else {
                    reader.skip(wire_type)?;
                    continue;
                };
                hint = at + 1;
                let field = &plan.fields[at];
                if ignored(at) {
                    reader.skip(wire_type)?;
                    continue;
                }
                self.violations.enter_name(Cow::Borrowed(&field.name));
                self.field(at, field, wire_type, &mut reader, &mut held)?;
                self.violations.leave();
            }
        }
        Ok(held)
    }

    fn field(
        &mut self,
        at: usize,
        field: &'w FieldPlan,
        wire_type: u8,
        reader: &mut Reader<'w>,
        held: &mut Held<'w>,
    ) -> Result<(), Malformed> {
        let packed = !is_singular(field) && wire_type == wire::LEN && field.kind.wire_type() != wire::LEN;
        if !packed && wire_type != field.kind.wire_type() {
            return Err(Malformed("a field has another wire type"));
        }
        if is_singular(field) {
            *held.counts.entry(at).or_default() += 1;
            if matches!(field.kind, Kind::Message(_) | Kind::FieldMask) {
                held.inner.entry(at).or_default().push(reader.payload()?);
                return Ok(());
            }
            return self.value(field.kind, &field.rules.value, reader).map(drop);
        }
        if !packed {
            return self.element(at, field, reader, held);
        }
        let mut packed = Reader::new(reader.payload()?);
        while !packed.done() {
            self.element(at, field, &mut packed, held)?;
        }
        Ok(())
    }

    fn element(
        &mut self,
        at: usize,
        field: &'w FieldPlan,
        reader: &mut Reader<'w>,
        held: &mut Held<'w>,
    ) -> Result<(), Malformed> {
        let count = held.counts.entry(at).or_default();
        let index = usize::try_from(*count).unwrap_or(usize::MAX);
        *count += 1;
        if let Kind::Message(entry) = field.kind
            && self.schema.messages[entry].map_entry
        {
            return self.entry(entry, field, reader.payload()?);
        }
        self.violations.enter_index(index);
        let element = match field.kind {
            Kind::Message(inner) => {
                let payload = reader.payload()?;
                self.message(inner, &[payload], &|_| true, false)?;
                Element::Bytes(payload)
            }
            kind => self.value(kind, &field.rules.value, reader)?,
        };
        // A list that is too long is refused as such; what repeats in the rest of it is not worth the memory.
        let fits = field.rules.max_items.is_none_or(|most| index as u64 <= most);
        if field.rules.unique && fits && !held.unique.entry(at).or_default().insert(element) {
            self.violations.add(Reason::REPEATED, "is repeated");
        }
        self.violations.leave();
        Ok(())
    }

    /// A pair of a map: its key and value, of which the last ones count.
    fn entry(&mut self, entry: MessageId, map: &'w FieldPlan, pair: &'w [u8]) -> Result<(), Malformed> {
        let plan = &self.schema.messages[entry];
        let [key, value] = plan.fields.as_slice() else { return Ok(()) };
        let (mut name, mut values, mut reader) = (&b""[..], Vec::new(), Reader::new(pair));
        while !reader.done() {
            let (number, wire_type) = reader.tag()?;
            if number == key.number {
                if wire_type != wire::LEN {
                    return Err(Malformed("a field has another wire type"));
                }
                name = reader.payload()?;
            } else if number == value.number {
                if wire_type != value.kind.wire_type() {
                    return Err(Malformed("a field has another wire type"));
                }
                let start = reader.position();
                reader.skip(wire_type)?;
                values.push(&pair[start..reader.position()]);
            } else {
                reader.skip(wire_type)?;
            }
        }
        let name = utf8(name)?;
        self.violations.enter_name(Cow::Borrowed(name));
        if name.contains('\0') {
            self.violations.add(Reason::NUL_CHARACTER, "the key must not contain the character NUL");
        } else if let Err((reason, detail)) = map.rules.keys.check_text(name) {
            self.violations.add(reason, format!("the key {detail}"));
        }
        for bytes in values {
            let mut reader = Reader::new(bytes);
            match value.kind {
                Kind::Message(inner) => self.message(inner, &[reader.payload()?], &|_| true, false)?,
                kind => {
                    self.value(kind, &map.rules.value, &mut reader)?;
                }
            }
        }
        self.violations.leave();
        Ok(())
    }

    /// One value that is no message of ours.
    fn value(
        &mut self,
        kind: Kind,
        rules: &ValueRules,
        reader: &mut Reader<'w>,
    ) -> Result<Element<'w>, Malformed> {
        let (checked, element) = match kind.wire_type() {
            wire::LEN => {
                let payload = reader.payload()?;
                (self.bytes(kind, rules, payload)?, Element::Bytes(payload))
            }
            wire::I64 => {
                let bits = u64::from_le_bytes(reader.fixed64()?);
                let checked = match kind {
                    Kind::Double => rules.check_wire_double(f64::from_bits(bits)),
                    kind => rules.check_wire_integer(bits, kind),
                };
                (checked, Element::Number(bits))
            }
            wire::I32 => {
                let bits = u32::from_le_bytes(reader.fixed32()?);
                let checked = match kind {
                    Kind::Float => rules.check_wire_double(f32::from_bits(bits).into()),
                    kind => rules.check_wire_integer(bits.into(), kind),
                };
                (checked, Element::Number(bits.into()))
            }
            _ => {
                let bits = reader.varint()?;
                let checked = match kind {
                    Kind::Bool => rules.check_not_zero(bits == 0),
                    Kind::Enum(id) => {
                        let known = self.schema.enums[id].name(bits as i32).is_some();
                        let detail = "is not a value of this field".to_owned();
                        if known {
                            rules.check_not_zero(bits as i32 == 0)
                        } else {
                            Err((Reason::ENUM_VALUE_UNKNOWN, detail))
                        }
                    }
                    kind => rules.check_wire_integer(bits, kind),
                };
                (checked, Element::Number(bits))
            }
        };
        if let Err((reason, detail)) = checked {
            self.violations.add(reason, detail);
        }
        Ok(element)
    }

    fn bytes(
        &mut self,
        kind: Kind,
        rules: &ValueRules,
        payload: &'w [u8],
    ) -> Result<Result<(), Fault>, Malformed> {
        Ok(match kind {
            Kind::String => {
                let text = utf8(payload)?;
                if text.contains('\0') {
                    Err((Reason::NUL_CHARACTER, "must not contain the character NUL".to_owned()))
                } else {
                    rules.check_text(text)
                }
            }
            Kind::Timestamp => is_timestamp(payload)?,
            Kind::JsonObject | Kind::JsonValue => {
                rules.check_bytes(payload.len()).and_then(|()| self.json(kind, payload))
            }
            _ => rules.check_bytes(payload.len()),
        })
    }

    /// JSON text in a `bytes` field; empty is not set.
    fn json(&mut self, kind: Kind, payload: &'w [u8]) -> Result<(), Fault> {
        if payload.is_empty() {
            return Ok(());
        }
        let wanted = if kind == Kind::JsonObject { "must be a JSON object" } else { "must be a JSON value" };
        let fault = |_: JsonError| (Reason::TYPE_MISMATCH, wanted.to_owned());
        let mut scan = Scanner::new(payload).map_err(fault)?;
        if kind == Kind::JsonObject && scan.peek().map_err(fault)? != b'{' {
            return Err((Reason::TYPE_MISMATCH, wanted.to_owned()));
        }
        let mut canonical = BytesMut::with_capacity(payload.len());
        copy::value(&mut scan, &mut self.violations, &mut canonical).map_err(fault)?;
        scan.finish().map_err(fault)
    }

    /// What is inside, and what is not there.
    fn finish(
        &mut self,
        id: MessageId,
        mut held: Held<'w>,
        skip: &dyn Fn(usize) -> bool,
        missed: &dyn Fn(&FieldPlan) -> bool,
        merges: bool,
    ) -> Result<(), Malformed> {
        let plan = &self.schema.messages[id];
        for (at, field) in plan.fields.iter().enumerate().filter(|(at, _)| !skip(*at)) {
            self.violations.enter_name(Cow::Borrowed(&field.name));
            let count = held.counts.get(&at).copied().unwrap_or(0);
            if count == 0 {
                if missed(field)
                    && let Err((reason, detail)) = rules::check_absent(field)
                {
                    self.violations.add(reason, detail);
                }
            } else if !is_singular(field) {
                if let Err((reason, detail)) = rules::check_items(&field.rules, count) {
                    self.violations.add(reason, detail);
                }
            } else if let (Kind::Message(inner), Some(pieces)) = (field.kind, held.inner.remove(&at)) {
                let is_merged = merges && !missed(field);
                self.message(inner, &pieces, &|_| !is_merged, is_merged)?;
            }
            self.violations.leave();
        }
        Ok(())
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed("a text is not UTF-8"))
}

fn read_paths<'w>(mask: &'w [u8], paths: &mut BTreeSet<&'w [u8]>) -> Result<(), Malformed> {
    let mut reader = Reader::new(mask);
    while !reader.done() {
        match reader.tag()? {
            (PATHS, wire::LEN) => {
                paths.insert(reader.payload()?);
            }
            (_, wire_type) => reader.skip(wire_type)?,
        }
    }
    Ok(())
}

/// Within the years that have a text.
fn is_timestamp(payload: &[u8]) -> Result<Result<(), Fault>, Malformed> {
    let (mut seconds, mut nanos, mut reader) = (0, 0, Reader::new(payload));
    while !reader.done() {
        match reader.tag()? {
            (1, wire::VARINT) => seconds = reader.varint()? as i64,
            (2, wire::VARINT) => nanos = reader.varint()? as i32,
            (1 | 2, _) => return Err(Malformed("a field has another wire type")),
            (_, wire_type) => reader.skip(wire_type)?,
        }
    }
    Ok(if timestamp::has_text(seconds, nanos) {
        Ok(())
    } else {
        Err((Reason::TIMESTAMP_INVALID, "must be a timestamp from year 1 to 9999".to_owned()))
    })
}
