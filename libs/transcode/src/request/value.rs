//! One JSON value -> one protobuf value.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::{BufMut, BytesMut};

use super::body::Walk;
use crate::json::scan::JsonError;
use crate::rules::{self, Fault, ValueRules};
use crate::schema::{EnumPlan, Kind};
use crate::timestamp;
use crate::wire;
use reasons::Reason;

/// Enums with more values are not listed in a refusal.
const LISTED_VALUES: usize = 24;

/// Base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Walk<'_, '_> {
    /// Reads any value and writes it as one of `kind`, without a tag; whether it was zero. After a refusal what was
    /// written means nothing.
    pub(super) fn value(&mut self, kind: Kind, rules: &ValueRules) -> Result<bool, JsonError> {
        let first = self.scan.peek()?;
        match (kind, first) {
            (Kind::String, b'"') => self.text(rules),
            (Kind::Bytes, b'"') => self.base64(rules),
            (Kind::Timestamp, b'"') => self.timestamp(),
            (Kind::Enum(id), b'"') => {
                let text = self.scan.string("a string")?.decode();
                match enum_number(&self.schema.enums[id], &text) {
                    Ok(number) => wire::put_varint(self.out, i64::from(number) as u64),
                    Err(fault) => self.refuse(fault),
                }
                Ok(false)
            }
            (Kind::Bool, b't' | b'f') => {
                let value = first == b't';
                self.scan.word(if value { "true" } else { "false" })?;
                self.out.put_u8(u8::from(value));
                if let Err(fault) = rules.check_not_zero(!value) {
                    self.refuse(fault);
                }
                Ok(!value)
            }
            (Kind::JsonValue, b'n') => {
                self.mismatch("a value")?;
                Ok(false)
            }
            (Kind::JsonObject, b'{') | (Kind::JsonValue, _) => self.json_text(rules),
            (Kind::Message(id), _) => {
                self.message(id)?;
                Ok(false)
            }
            (Kind::Double | Kind::Float, b'-' | b'0'..=b'9') => {
                let number = self.scan.number()?;
                match parse_double(number, kind, rules) {
                    Ok(value) => {
                        put_double(self.out, value, kind);
                        Ok(value == 0.0)
                    }
                    Err(fault) => {
                        self.refuse(fault);
                        Ok(false)
                    }
                }
            }
            (_, b'-' | b'0'..=b'9') if wanted(kind) == INTEGER => {
                let number = self.scan.number()?;
                match parse_integer(number, kind, rules) {
                    Ok(value) => {
                        put_integer(self.out, value, kind);
                        Ok(value == 0)
                    }
                    Err(fault) => {
                        self.refuse(fault);
                        Ok(false)
                    }
                }
            }
            _ => {
                self.mismatch(wanted(kind))?;
                Ok(false)
            }
        }
    }

    fn text(&mut self, rules: &ValueRules) -> Result<bool, JsonError> {
        let token = self.scan.string("a string")?;
        let text = token.decode();
        if token.nul {
            self.violations.add(Reason::NUL_CHARACTER, "must not contain the character NUL");
        } else if let Err(fault) = rules.check_text(&text) {
            self.refuse(fault);
        }
        wire::put_len(self.out, text.as_bytes());
        Ok(text.is_empty())
    }

    fn base64(&mut self, rules: &ValueRules) -> Result<bool, JsonError> {
        let text = self.scan.string("a string")?.decode();
        let Ok(bytes) = BASE64.decode(text.as_bytes()) else {
            self.violations.add(Reason::BASE64_INVALID, "must be base64");
            return Ok(false);
        };
        if let Err(fault) = rules.check_bytes(bytes.len()) {
            self.refuse(fault);
        }
        wire::put_len(self.out, &bytes);
        Ok(bytes.is_empty())
    }

    fn timestamp(&mut self) -> Result<bool, JsonError> {
        let text = self.scan.string("a string")?.decode();
        match timestamp::parse(&text) {
            Some((seconds, nanos)) => put_timestamp(self.out, seconds, nanos),
            None => self.refuse(timestamp_fault()),
        }
        Ok(false)
    }

    fn json_text(&mut self, rules: &ValueRules) -> Result<bool, JsonError> {
        let start = self.out.len();
        self.json()?;
        if let Err(fault) = rules.check_bytes(self.out.len() - start) {
            self.refuse(fault);
        }
        wire::close_len(self.out, start);
        Ok(false)
    }
}

const INTEGER: &str = "an integer";

/// What a kind wants, in words.
fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Double | Kind::Float => "a number",
        Kind::Bool => "true or false",
        Kind::String | Kind::Bytes | Kind::Enum(_) => "a string",
        Kind::Timestamp => "a timestamp as a string",
        Kind::JsonObject | Kind::Message(_) => "an object",
        Kind::JsonValue | Kind::FieldMask => "a value",
        _ => INTEGER,
    }
}

pub(super) fn timestamp_fault() -> Fault {
    (Reason::TIMESTAMP_INVALID, "must be a timestamp like 2026-01-31T12:00:00Z".to_owned())
}

/// The number of a value by its JSON name.
pub(super) fn enum_number(plan: &EnumPlan, name: &str) -> Result<i32, Fault> {
    if let Some(number) = plan.number(name) {
        return Ok(number);
    }
    let names: Vec<String> = plan.writable().map(|v| format!("`{}`", v.name)).collect();
    let detail = match names.len() {
        0..=LISTED_VALUES => format!("must be one of {}", names.join(", ")),
        _ => "is not a value of this field".to_owned(),
    };
    Err((Reason::ENUM_VALUE_UNKNOWN, detail))
}

/// An integer in the syntax of JSON; `5.0` and `1e2` are integers, too.
pub(super) fn parse_integer(text: &str, kind: Kind, rules: &ValueRules) -> Result<i64, Fault> {
    let (least, most) = rules::limits(kind);
    let out_of_range = || (Reason::OUT_OF_RANGE, format!("must be between {least} and {most}"));
    let value = if text.bytes().any(|b| matches!(b, b'.' | b'e' | b'E')) {
        let value: f64 = text.parse().map_err(|_| out_of_range())?;
        if value.abs() > rules::EXACT as f64 {
            return Err(out_of_range());
        }
        if value.fract() != 0.0 {
            return Err((Reason::TYPE_MISMATCH, format!("must be {INTEGER}")));
        }
        value as i64
    } else {
        // The syntax is right, so it can only be too large.
        text.parse().map_err(|_| out_of_range())?
    };
    if !(least..=most).contains(&value) {
        return Err(out_of_range());
    }
    rules.check_integer(value)?;
    Ok(value)
}

pub(super) fn parse_double(text: &str, kind: Kind, rules: &ValueRules) -> Result<f64, Fault> {
    let value = text.parse::<f64>().unwrap_or(f64::INFINITY);
    let finite = if kind == Kind::Float { (value as f32).is_finite() } else { value.is_finite() };
    if !finite {
        return Err((Reason::OUT_OF_RANGE, "the number is too large".to_owned()));
    }
    rules.check_double(value)?;
    Ok(value)
}

pub(super) fn put_integer(out: &mut BytesMut, value: i64, kind: Kind) {
    match kind {
        Kind::Sint32 | Kind::Sint64 => wire::put_varint(out, wire::unzigzag(value)),
        Kind::Fixed32 => out.put_u32_le(value as u32),
        Kind::Sfixed32 => out.put_i32_le(value as i32),
        Kind::Fixed64 => out.put_u64_le(value as u64),
        Kind::Sfixed64 => out.put_i64_le(value),
        _ => wire::put_varint(out, value as u64),
    }
}

pub(super) fn put_double(out: &mut BytesMut, value: f64, kind: Kind) {
    if kind == Kind::Float { out.put_f32_le(value as f32) } else { out.put_f64_le(value) }
}

/// Writes a `google.protobuf.Timestamp` with its length.
pub(super) fn put_timestamp(out: &mut BytesMut, seconds: i64, nanos: i32) {
    let start = out.len();
    if seconds != 0 {
        wire::put_tag(out, 1, wire::VARINT);
        wire::put_varint(out, seconds as u64);
    }
    if nanos != 0 {
        wire::put_tag(out, 2, wire::VARINT);
        wire::put_varint(out, nanos as u64);
    }
    wire::close_len(out, start);
}
