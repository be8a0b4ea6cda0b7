//! One protobuf value -> one JSON value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::DecodeError;
use super::message::{Place, Slot, Writer};
use crate::json::write;
use crate::schema::{EnumId, FieldPlan, Kind, Shape};
use crate::timestamp;
use crate::wire::{self, Reader};

impl<'p> Writer<'p, '_> {
    /// Prints a singular field that is not on the wire.
    pub(super) fn unset(&mut self, field: &FieldPlan) {
        let text: &[u8] = match (field.shape, field.kind) {
            (Shape::Implicit, Kind::JsonObject) => b"{}",
            (Shape::Explicit, _) | (_, Kind::Enum(_) | Kind::JsonValue) => b"null",
            (_, Kind::String | Kind::Bytes) => b"\"\"",
            (_, Kind::Bool) => b"false",
            (_, Kind::Double | Kind::Float) => b"0.0",
            _ => b"0",
        };
        self.out.extend_from_slice(text);
    }

    /// Prints the value in `payload`: of a number its bytes, of everything else what its length counted.
    pub(super) fn value(
        &mut self,
        place: Place<'p>,
        payload: &[u8],
        slots: &mut [Slot],
        depth: usize,
    ) -> Result<(), DecodeError> {
        let fail = |what| place.fail(what);
        let mut reader = Reader::new(payload);
        match place.field.kind {
            Kind::String => {
                let text = str::from_utf8(payload).map_err(|_| fail("is not UTF-8"))?;
                write::string(self.out, text);
            }
            Kind::Message(id) => {
                return self.message(&self.schema.messages[id], payload, slots, depth + 1);
            }
            Kind::JsonObject => {
                self.json(payload, b"{}", b'{').ok_or_else(|| fail("does not hold a JSON object"))?;
            }
            Kind::JsonValue => self.json(payload, b"null", 0).ok_or_else(|| fail("does not hold JSON"))?,
            Kind::Timestamp => {
                self.timestamp(payload)?.ok_or_else(|| fail("is outside the years 1 to 9999"))?;
            }
            Kind::Int32 => write::integer(self.out, reader.varint()? as i32),
            Kind::Int64 => write::integer(self.out, reader.varint()? as i64),
            Kind::Uint32 => write::integer(self.out, reader.varint()? as u32),
            Kind::Uint64 => write::integer(self.out, reader.varint()?),
            Kind::Sint32 => write::integer(self.out, wire::zigzag(reader.varint()?) as i32),
            Kind::Sint64 => write::integer(self.out, wire::zigzag(reader.varint()?)),
            Kind::Fixed32 => write::integer(self.out, u32::from_le_bytes(reader.fixed32()?)),
            Kind::Sfixed32 => write::integer(self.out, i32::from_le_bytes(reader.fixed32()?)),
            Kind::Fixed64 => write::integer(self.out, u64::from_le_bytes(reader.fixed64()?)),
            Kind::Sfixed64 => write::integer(self.out, i64::from_le_bytes(reader.fixed64()?)),
            Kind::Float => {
                let value = f32::from_le_bytes(reader.fixed32()?);
                write::float(self.out, value, value.is_finite());
            }
            Kind::Double => {
                let value = f64::from_le_bytes(reader.fixed64()?);
                write::float(self.out, value, value.is_finite());
            }
            Kind::Bool => {
                let text: &[u8] = if reader.varint()? == 0 { b"false" } else { b"true" };
                self.out.extend_from_slice(text);
            }
            Kind::Enum(id) => self.enumeration(id, reader.varint()? as i32),
            Kind::Bytes => self.base64(payload).ok_or_else(|| fail("is too long"))?,
            Kind::FieldMask => self.mask(payload)?.ok_or_else(|| fail("is not UTF-8"))?,
        }
        Ok(())
    }

    /// Zero says "not set". A newer service may know more values than this gateway.
    fn enumeration(&mut self, id: EnumId, number: i32) {
        if number == 0 {
            self.out.extend_from_slice(b"null");
            return;
        }
        match self.schema.enums[id].name(number) {
            Some(name) => {
                self.out.push(b'"');
                self.out.extend_from_slice(name.as_bytes());
                self.out.push(b'"');
            }
            None => write::integer(self.out, number),
        }
    }

    /// Copies JSON text through. Services keep it canonical, so only what would break the text around it is checked:
    /// that it is UTF-8 and, for an object, that it begins and ends as one.
    fn json(&mut self, payload: &[u8], empty: &[u8], open: u8) -> Option<()> {
        if payload.is_empty() {
            self.out.extend_from_slice(empty);
            return Some(());
        }
        str::from_utf8(payload).ok()?;
        if open != 0 && (payload.first() != Some(&open) || payload.last() != Some(&b'}')) {
            return None;
        }
        self.out.extend_from_slice(payload);
        Some(())
    }

    fn timestamp(&mut self, payload: &[u8]) -> Result<Option<()>, DecodeError> {
        let (mut seconds, mut nanos) = (0, 0);
        let mut reader = Reader::new(payload);
        while !reader.done() {
            match reader.tag()? {
                (1, wire::VARINT) => seconds = reader.varint()? as i64,
                (2, wire::VARINT) => nanos = reader.varint()? as i32,
                (_, wire_type) => reader.skip(wire_type)?,
            }
        }
        self.out.push(b'"');
        let written = timestamp::write(self.out, seconds, nanos);
        self.out.push(b'"');
        Ok(written)
    }

    fn base64(&mut self, payload: &[u8]) -> Option<()> {
        let length = base64::encoded_len(payload.len(), true)?;
        self.out.push(b'"');
        let start = self.out.len();
        self.out.resize(start + length, 0);
        BASE64.encode_slice(payload, &mut self.out[start..]).ok()?;
        self.out.push(b'"');
        Some(())
    }

    /// The paths, separated by commas.
    fn mask(&mut self, payload: &[u8]) -> Result<Option<()>, DecodeError> {
        let mut paths = String::new();
        let mut reader = Reader::new(payload);
        while !reader.done() {
            match reader.tag()? {
                (1, wire::LEN) => {
                    let Ok(path) = str::from_utf8(reader.payload()?) else { return Ok(None) };
                    if !paths.is_empty() {
                        paths.push(',');
                    }
                    paths.push_str(path);
                }
                (_, wire_type) => reader.skip(wire_type)?,
            }
        }
        write::string(self.out, &paths);
        Ok(Some(()))
    }
}
