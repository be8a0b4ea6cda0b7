//! The rules of `buf.validate`: compiled from the descriptors, checked on values.

use prost::Message;
use proto::buf_validate::FieldRules;
use proto::buf_validate::field_rules::Type;
use proto::buf_validate::string_rules::WellKnown;

use crate::schema::{FieldPlan, Kind, Shape};
use crate::wire;
use reasons::Reason;

/// The largest magnitude that every JSON reader holds exactly.
pub(crate) const EXACT: i64 = 1 << 53;

/// The rules of a field.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rules {
    pub(crate) required: bool,
    /// Of a singular value, an element of a list or a value of a map.
    pub(crate) value: ValueRules,
    /// Of the keys of a map.
    pub(crate) keys: ValueRules,
    pub(crate) min_items: u64,
    /// Elements of a list or pairs of a map.
    pub(crate) max_items: Option<u64>,
    pub(crate) unique: bool,
}

/// The rules of one value.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ValueRules {
    /// An element must not be zero or empty.
    pub(crate) required: bool,
    /// In characters.
    pub(crate) min_len: u64,
    /// In characters of text, in bytes of bytes.
    pub(crate) max_len: Option<u64>,
    pub(crate) uuid: bool,
    pub(crate) gte: Option<i64>,
    pub(crate) lte: Option<i64>,
    pub(crate) gte_double: Option<f64>,
    pub(crate) lte_double: Option<f64>,
}

/// Compiles the rules of a field with values of this kind; a rule that does not fit is an error.
pub(crate) fn compile(rules: Option<&FieldRules>, kind: Kind, shape: Shape) -> Result<Rules, String> {
    let mut compiled = Rules::default();
    let Some(rules) = rules else { return Ok(compiled) };
    compiled.required = rules.required();
    match (&rules.r#type, shape) {
        (Some(Type::Repeated(list)), Shape::Repeated) => {
            compiled.min_items = list.min_items();
            compiled.max_items = list.max_items;
            compiled.unique = list.unique();
            if let Some(items) = &list.items {
                compiled.value = value_rules(items, kind)?;
            }
        }
        (Some(Type::Map(map)), Shape::Map) => {
            compiled.max_items = map.max_pairs;
            if let Some(keys) = &map.keys {
                compiled.keys = value_rules(keys, Kind::String)?;
            }
            if let Some(values) = &map.values {
                compiled.value = value_rules(values, kind)?;
            }
        }
        (Some(_), Shape::Repeated | Shape::Map) => {
            return Err("the rule is not one of lists or maps".to_owned());
        }
        _ => {
            compiled.value = value_rules(rules, kind)?;
            // Explicit presence is all that `required` asks of a field that has it.
            compiled.value.required &= shape == Shape::Implicit;
        }
    }
    Ok(compiled)
}

fn value_rules(rules: &FieldRules, kind: Kind) -> Result<ValueRules, String> {
    let mut compiled = ValueRules { required: rules.required(), ..ValueRules::default() };
    let fits = |wanted: &[Kind]| wanted.contains(&kind);
    let fit = match &rules.r#type {
        None => true,
        Some(Type::Double(double)) => {
            (compiled.gte_double, compiled.lte_double) = (double.gte, double.lte);
            fits(&[Kind::Double])
        }
        Some(Type::Int32(int)) => {
            (compiled.gte, compiled.lte) = (int.gte.map(i64::from), int.lte.map(i64::from));
            fits(&[Kind::Int32])
        }
        Some(Type::Int64(int)) => {
            (compiled.gte, compiled.lte) = (int.gte, int.lte);
            fits(&[Kind::Int64])
        }
        Some(Type::String(text)) => {
            compiled.min_len = text.len.unwrap_or(text.min_len());
            compiled.max_len = text.len.or(text.max_len);
            compiled.uuid = text.well_known == Some(WellKnown::Uuid(true));
            fits(&[Kind::String])
        }
        Some(Type::Bytes(bytes)) => {
            compiled.max_len = bytes.max_len;
            fits(&[Kind::Bytes, Kind::JsonObject, Kind::JsonValue])
        }
        // Values that are not defined have no name, so none can be sent.
        Some(Type::Enum(_)) => matches!(kind, Kind::Enum(_)),
        Some(Type::Repeated(_) | Type::Map(_)) => false,
    };
    if fit { Ok(compiled) } else { Err("the rule does not fit the type of the field".to_owned()) }
}

/// What is wrong with a value, in words.
pub(crate) type Fault = (Reason, String);

fn fault(reason: Reason, detail: impl Into<String>) -> Result<(), Fault> {
    Err((reason, detail.into()))
}

impl Rules {
    pub(crate) fn is_any(&self) -> bool {
        *self != Self::default()
    }
}

impl ValueRules {
    pub(crate) fn check_text(&self, text: &str) -> Result<(), Fault> {
        if self.required && text.is_empty() {
            return fault(Reason::REQUIRED, "must not be empty");
        }
        if self.min_len > 0 || self.max_len.is_some() {
            let length = length_of(text, self.max_len);
            if length < self.min_len {
                let detail = match self.min_len {
                    1 => "must not be empty".to_owned(),
                    least => format!("must have at least {least} characters"),
                };
                return fault(Reason::TOO_SHORT, detail);
            }
            if let Some(most) = self.max_len.filter(|most| length > *most) {
                return fault(Reason::TOO_LONG, format!("must have at most {most} characters"));
            }
        }
        if self.uuid && !is_uuid(text) {
            return fault(Reason::UUID_INVALID, "must be a UUID in the form 8-4-4-4-12");
        }
        Ok(())
    }

    pub(crate) fn check_bytes(&self, length: usize) -> Result<(), Fault> {
        match self.max_len {
            Some(most) if length as u64 > most => {
                fault(Reason::TOO_LONG, format!("must have at most {most} bytes"))
            }
            _ if self.required && length == 0 => fault(Reason::REQUIRED, "must not be empty"),
            _ => Ok(()),
        }
    }

    pub(crate) fn check_integer(&self, value: i64) -> Result<(), Fault> {
        if let Some(least) = self.gte.filter(|least| value < *least) {
            return fault(Reason::OUT_OF_RANGE, format!("must be at least {least}"));
        }
        if let Some(most) = self.lte.filter(|most| value > *most) {
            return fault(Reason::OUT_OF_RANGE, format!("must be at most {most}"));
        }
        self.check_not_zero(value == 0)
    }

    pub(crate) fn check_double(&self, value: f64) -> Result<(), Fault> {
        if let Some(least) = self.gte_double.filter(|least| value < *least) {
            return fault(Reason::OUT_OF_RANGE, format!("must be at least {least}"));
        }
        if let Some(most) = self.lte_double.filter(|most| value > *most) {
            return fault(Reason::OUT_OF_RANGE, format!("must be at most {most}"));
        }
        self.check_not_zero(value == 0.0)
    }

    /// An integer as it stands on the wire.
    pub(crate) fn check_wire_integer(&self, bits: u64, kind: Kind) -> Result<(), Fault> {
        let value = match kind {
            Kind::Int32 | Kind::Sfixed32 => i64::from(bits as i32),
            Kind::Uint32 | Kind::Fixed32 => i64::from(bits as u32),
            Kind::Sint32 => wire::zigzag(bits & u64::from(u32::MAX)),
            Kind::Sint64 => wire::zigzag(bits),
            Kind::Uint64 | Kind::Fixed64 => i64::try_from(bits).unwrap_or(i64::MAX),
            _ => bits as i64,
        };
        let (least, most) = limits(kind);
        if !(least..=most).contains(&value) {
            return fault(Reason::OUT_OF_RANGE, format!("must be between {least} and {most}"));
        }
        self.check_integer(value)
    }

    /// A number as it stands on the wire.
    pub(crate) fn check_wire_double(&self, value: f64) -> Result<(), Fault> {
        if !value.is_finite() {
            return fault(Reason::OUT_OF_RANGE, "the number is too large");
        }
        self.check_double(value)
    }

    pub(crate) fn check_not_zero(&self, zero: bool) -> Result<(), Fault> {
        if self.required && zero { fault(Reason::REQUIRED, "must be set") } else { Ok(()) }
    }
}

/// What an integer of this kind may be.
pub(crate) fn limits(kind: Kind) -> (i64, i64) {
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        Kind::Uint32 | Kind::Fixed32 => (0, i64::from(u32::MAX)),
        Kind::Uint64 | Kind::Fixed64 => (0, EXACT),
        _ => (-EXACT, EXACT),
    }
}

/// Characters (Unicode scalar values). A text that has too many as it was sent is counted as it would be stored: in NFC, and without
/// what cannot be seen.
fn length_of(text: &str, most: Option<u64>) -> u64 {
    let sent = text.chars().count() as u64;
    match most {
        Some(most) if sent > most => field_types::text::length(text) as u64,
        _ => sent,
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// What an absent (or `null`) field violates: presence, and the rules of the zero value where absence means zero.
pub(crate) fn check_absent(field: &FieldPlan) -> Result<(), Fault> {
    let rules = &field.rules;
    if rules.required {
        return fault(Reason::REQUIRED, "is required");
    }
    match field.shape {
        Shape::Repeated if rules.min_items > 0 => check_items(rules, 0),
        Shape::Implicit => match field.kind {
            Kind::String => {
                rules.value.check_text("").map_err(|_| (Reason::REQUIRED, "is required".to_owned()))
            }
            Kind::Double => rules.value.check_double(0.0),
            _ => rules.value.check_integer(0),
        },
        _ => Ok(()),
    }
}

/// The number of elements or pairs.
pub(crate) fn check_items(rules: &Rules, count: u64) -> Result<(), Fault> {
    if rules.required && count == 0 {
        return fault(Reason::REQUIRED, "must not be empty");
    }
    if count < rules.min_items {
        return fault(Reason::TOO_FEW_ITEMS, format!("must have at least {} items", rules.min_items));
    }
    match rules.max_items {
        Some(most) if count > most => {
            fault(Reason::TOO_MANY_ITEMS, format!("must have at most {most} items"))
        }
        _ => Ok(()),
    }
}

/// Whether the options of a field hold a `buf.validate` rule that [`FieldRules`] has no place for: decoding drops it,
/// so encoding again gives fewer bytes.
pub(crate) fn drops_a_rule(encoded: &[u8]) -> bool {
    FieldRules::decode(encoded).is_ok_and(|known| known.encoded_len() != encoded.len())
}
