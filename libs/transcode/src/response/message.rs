//! One message: where its fields lie, then its members in order.

use std::borrow::Cow;

use super::{Capture, DecodeError, MAX_DEPTH};
use crate::json::{pick, write};
use crate::location::Text;
use crate::schema::{FieldPlan, Kind, MessagePlan, OnWire, Schema, Shape};
use crate::select::{FieldSelection, Keep};
use crate::wire::{self, Reader};

/// Where a field lies in its message.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slot {
    /// Of a singular field: the payload of the last occurrence. Of a list: from the first occurrence's tag …
    pub(super) start: u32,
    /// … to the last one's end.
    pub(super) end: u32,
    /// Occurrences.
    pub(super) count: u32,
}

impl Slot {
    pub(super) fn bytes(self, wire: &[u8]) -> &[u8] {
        wire.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// An entry of a map: where key and value lie, and in what.
type Pair<'w> = ([Slot; 2], &'w [u8]);

/// Maps of up to so many pairs are sorted without allocating.
const INLINE_PAIRS: usize = 16;

/// A field and the message it belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) plan: &'p MessagePlan,
    pub(super) field: &'p FieldPlan,
}

impl Place<'_> {
    pub(super) fn fail(self, what: &'static str) -> DecodeError {
        DecodeError::field(self.plan, self.field, what)
    }
}

/// Prints messages. `slots` is scratch space that every message takes its part of and hands on the rest.
#[derive(Debug)]
pub(super) struct Writer<'p, 'o> {
    pub(super) schema: &'p Schema,
    pub(super) out: &'o mut Vec<u8>,
}

/// What is printed of a message.
#[derive(Clone, Copy)]
enum Select<'s> {
    All,
    /// The selection applies to this message.
    Here(&'s FieldSelection),
    /// The selection applies to the elements of this list.
    List(usize, &'s FieldSelection),
}

impl<'p, 'o> Writer<'p, 'o> {
    pub(super) fn new(schema: &'p Schema, out: &'o mut Vec<u8>) -> Self {
        Self { schema, out }
    }

    /// Prints the answer as a whole; `select`: the list it applies to, if the answer has one.
    pub(super) fn top(
        &mut self,
        plan: &'p MessagePlan,
        wire: &[u8],
        slots: &mut [Slot],
        select: Option<(Option<usize>, &FieldSelection)>,
        capture: Capture<'_>,
    ) -> Result<(), DecodeError> {
        let select = match select {
            None => Select::All,
            Some((None, selection)) => Select::Here(selection),
            Some((Some(list), selection)) => Select::List(list, selection),
        };
        self.selected(plan, wire, slots, 0, select, Some(capture))
    }

    /// Prints a message with all its members.
    pub(super) fn message(
        &mut self,
        plan: &'p MessagePlan,
        wire: &[u8],
        slots: &mut [Slot],
        depth: usize,
    ) -> Result<(), DecodeError> {
        self.selected(plan, wire, slots, depth, Select::All, None)
    }

    fn selected(
        &mut self,
        plan: &'p MessagePlan,
        wire: &[u8],
        slots: &mut [Slot],
        depth: usize,
        select: Select<'_>,
        capture: Option<Capture<'_>>,
    ) -> Result<(), DecodeError> {
        if depth == MAX_DEPTH {
            return Err(DecodeError::Depth);
        }
        let (own, rest) = slots.split_at_mut(plan.fields.len().min(slots.len()));
        let mut spilled = Vec::new();
        let own = room(own, plan, &mut spilled);
        index(plan, wire, own)?;
        if let Some(capture) = capture {
            capture.take(wire, own);
        }
        let begin = self.out.len();
        for (at, (field, slot)) in plan.fields.iter().zip(&*own).enumerate() {
            if field.input_only || (slot.count == 0 && field.omit_unset) {
                continue;
            }
            let keep = match select {
                Select::Here(selection) => selection.keeps(at),
                _ => Keep::Whole,
            };
            match (keep, select) {
                (Keep::Nothing, _) => {}
                (Keep::Keys(keys), _) => {
                    self.out.extend_from_slice(&field.key);
                    pick::members(slot.bytes(wire), keys, self.out)
                        .map_err(|_| DecodeError::field(plan, field, "does not hold a JSON object"))?;
                }
                (Keep::Whole, Select::List(list, selection)) if list == at => {
                    self.out.extend_from_slice(&field.key);
                    self.list(Place { plan, field }, *slot, wire, rest, depth, Select::Here(selection))?;
                }
                (Keep::Whole, _) => {
                    self.out.extend_from_slice(&field.key);
                    self.member(Place { plan, field }, *slot, wire, rest, depth)?;
                }
            }
        }
        // Every key began with a comma; the first one's place is the brace's.
        match self.out.get_mut(begin) {
            Some(first) => *first = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
        Ok(())
    }

    fn member(
        &mut self,
        place: Place<'p>,
        slot: Slot,
        wire: &[u8],
        slots: &mut [Slot],
        depth: usize,
    ) -> Result<(), DecodeError> {
        match place.field.shape {
            Shape::Repeated => self.list(place, slot, wire, slots, depth, Select::All),
            Shape::Map => self.map(place, slot, wire, slots, depth),
            Shape::Implicit | Shape::Explicit => self.single(place, slot, wire, slots, depth),
        }
    }

    /// Prints a singular field. Occurrences of a message merge, which is what their concatenation says.
    fn single(
        &mut self,
        place: Place<'p>,
        slot: Slot,
        wire: &[u8],
        slots: &mut [Slot],
        depth: usize,
    ) -> Result<(), DecodeError> {
        if slot.count == 0 {
            self.unset(place.field);
            return Ok(());
        }
        if slot.count > 1 && is_message(place.field.kind) {
            let merged = payload(place, wire)?.unwrap_or_default();
            return self.value(place, &merged, slots, depth);
        }
        self.value(place, slot.bytes(wire), slots, depth)
    }

    fn list(
        &mut self,
        place: Place<'p>,
        slot: Slot,
        wire: &[u8],
        slots: &mut [Slot],
        depth: usize,
        select: Select<'_>,
    ) -> Result<(), DecodeError> {
        self.out.push(b'[');
        let begin = self.out.len();
        let field = place.field;
        let mut elements = Occurrences::new(field, slot.bytes(wire));
        while let Some((payload, wire_type)) = elements.next()? {
            if wire_type == wire::LEN && field.kind.wire_type() != wire::LEN {
                self.packed(place, payload, begin)?;
                continue;
            }
            if self.out.len() > begin {
                self.out.push(b',');
            }
            match (field.kind, select) {
                (Kind::Message(id), Select::Here(_)) => {
                    self.selected(&self.schema.messages[id], payload, slots, depth + 1, select, None)?;
                }
                _ => self.value(place, payload, slots, depth)?,
            }
        }
        self.out.push(b']');
        Ok(())
    }

    /// Prints the numbers of a packed occurrence.
    fn packed(&mut self, place: Place<'p>, payload: &[u8], begin: usize) -> Result<(), DecodeError> {
        let mut reader = Reader::new(payload);
        while !reader.done() {
            let start = reader.position();
            reader.skip(place.field.kind.wire_type())?;
            if self.out.len() > begin {
                self.out.push(b',');
            }
            self.value(place, &payload[start..reader.position()], &mut [], 0)?;
        }
        Ok(())
    }

    /// Prints a map's pairs sorted by key; of equal keys the last one stands.
    fn map(
        &mut self,
        place: Place<'p>,
        slot: Slot,
        wire: &[u8],
        slots: &mut [Slot],
        depth: usize,
    ) -> Result<(), DecodeError> {
        let Kind::Message(entry) = place.field.kind else { return Ok(()) };
        let schema = self.schema;
        let entry = &schema.messages[entry];
        let [_, value] = entry.fields.as_slice() else { return Ok(()) };
        self.out.push(b'{');
        let begin = self.out.len();
        let count = slot.count as usize;
        let mut inline = [Pair::default(); INLINE_PAIRS];
        let mut spilled = Vec::new();
        let pairs = if let Some(pairs) = inline.get_mut(..count) {
            pairs
        } else {
            spilled.resize(count, Pair::default());
            &mut spilled
        };
        let mut entries = Occurrences::new(place.field, slot.bytes(wire));
        for pair in &mut *pairs {
            let Some((payload, _)) = entries.next()? else { break };
            index(entry, payload, &mut pair.0)?;
            pair.1 = payload;
        }
        pairs.sort_by_key(|(own, payload)| own[0].bytes(payload));
        for (at, (own, payload)) in pairs.iter().enumerate() {
            let key = own[0].bytes(payload);
            if pairs.get(at + 1).is_some_and(|(next, payload)| next[0].bytes(payload) == key) {
                continue;
            }
            if self.out.len() > begin {
                self.out.push(b',');
            }
            let text = str::from_utf8(key).map_err(|_| place.fail("a key is not UTF-8"))?;
            write::string(self.out, text);
            self.out.push(b':');
            match (own[1].count, value.kind) {
                // An entry without a value holds the default.
                (0, Kind::Message(id)) => self.message(&schema.messages[id], b"", slots, depth + 1)?,
                _ => self.single(Place { plan: entry, field: value }, own[1], payload, slots, depth)?,
            }
        }
        self.out.push(b'}');
        Ok(())
    }
}

/// The slots of a message: its part of the scratch space, or its own when that is used up.
fn room<'s>(own: &'s mut [Slot], plan: &MessagePlan, spilled: &'s mut Vec<Slot>) -> &'s mut [Slot] {
    if own.len() == plan.fields.len() {
        own.fill(Slot::default());
        return own;
    }
    spilled.resize(plan.fields.len(), Slot::default());
    spilled
}

/// Finds where the fields lie; unknown ones are stepped over.
fn index(plan: &MessagePlan, wire: &[u8], slots: &mut [Slot]) -> Result<(), DecodeError> {
    if u32::try_from(wire.len()).is_err() {
        return Err(DecodeError::Malformed("a message of 4 GiB or more"));
    }
    let mut reader = Reader::new(wire);
    let mut hint = 0;
    while !reader.done() {
        let start = reader.position();
        let (number, wire_type) = reader.tag()?;
        let Some(at) = plan.by_number(number, hint) else {
            reader.skip(wire_type)?;
            continue;
        };
        let OnWire { wire_type: wanted, repeated, .. } = plan.on_wire[at];
        if wire_type != wanted && !(repeated && wire_type == wire::LEN) {
            return Err(DecodeError::field(plan, &plan.fields[at], "has another wire type"));
        }
        let value = if wire_type == wire::LEN {
            let payload = reader.payload()?;
            reader.position() - payload.len()
        } else {
            let value = reader.position();
            reader.skip(wire_type)?;
            value
        };
        let slot = &mut slots[at];
        if !repeated {
            slot.start = value as u32;
        } else if slot.count == 0 {
            slot.start = start as u32;
        }
        slot.end = reader.position() as u32;
        slot.count = slot.count.saturating_add(1);
        // A list's next element, or the next field.
        hint = if repeated { at } else { at + 1 };
    }
    Ok(())
}

fn is_message(kind: Kind) -> bool {
    matches!(kind, Kind::Message(_) | Kind::Timestamp | Kind::FieldMask)
}

/// The payload of a message field; of several, their concatenation, which is how protobuf merges them.
pub(super) fn payload<'w>(place: Place<'_>, wire: &'w [u8]) -> Result<Option<Cow<'w, [u8]>>, DecodeError> {
    let mut found: Option<Cow<'w, [u8]>> = None;
    let mut occurrences = Occurrences::new(place.field, wire);
    while let Some((payload, wire_type)) = occurrences.next()? {
        if wire_type != wire::LEN {
            return Err(place.fail("has another wire type"));
        }
        match &mut found {
            None => found = Some(Cow::Borrowed(payload)),
            Some(before) => before.to_mut().extend_from_slice(payload),
        }
    }
    Ok(found)
}

/// The occurrences of one field in a stretch of a message.
struct Occurrences<'w> {
    number: u32,
    wire: &'w [u8],
    reader: Reader<'w>,
}

impl<'w> Occurrences<'w> {
    fn new(field: &FieldPlan, wire: &'w [u8]) -> Self {
        Self { number: field.number, wire, reader: Reader::new(wire) }
    }

    fn next(&mut self) -> Result<Option<(&'w [u8], u8)>, DecodeError> {
        while !self.reader.done() {
            let (number, wire_type) = self.reader.tag()?;
            if number != self.number {
                self.reader.skip(wire_type)?;
                continue;
            }
            if wire_type == wire::LEN {
                return Ok(Some((self.reader.payload()?, wire_type)));
            }
            let start = self.reader.position();
            self.reader.skip(wire_type)?;
            return Ok(Some((&self.wire[start..self.reader.position()], wire_type)));
        }
        Ok(None)
    }
}

impl Capture<'_> {
    /// Reads what headers need; text that is not UTF-8 is found when it is printed.
    fn take(self, wire: &[u8], slots: &[Slot]) {
        let text = |at: usize| {
            let slot = slots.get(at).filter(|slot| slot.count > 0)?;
            str::from_utf8(slot.bytes(wire)).ok().filter(|text| !text.is_empty())
        };
        self.meta.id = self.plan.id.and_then(text).map(str::to_owned);
        self.meta.version = self.plan.version.and_then(|at| {
            let slot = slots.get(at).filter(|slot| slot.count > 0)?;
            Reader::new(slot.bytes(wire)).varint().ok().map(|value| value as i64)
        });
        let of_location = |Text { at, within }: Text| {
            let Some(number) = within else { return text(at) };
            let slot = slots.get(at).filter(|slot| slot.count > 0)?;
            text_of(number, slot.bytes(wire))
        };
        self.meta.location = self.plan.location.as_ref().and_then(|location| location.fill(of_location));
    }
}

/// A text of a message; of several the last one.
fn text_of(number: u32, message: &[u8]) -> Option<&str> {
    let (mut reader, mut found) = (Reader::new(message), None);
    while !reader.done() {
        match reader.tag().ok()? {
            (at, wire::LEN) if at == number => found = Some(reader.payload().ok()?),
            (_, wire_type) => reader.skip(wire_type).ok()?,
        }
    }
    str::from_utf8(found?).ok()
}
