//! Random messages of any type, made from bytes that proptest picks and shrinks.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind as ReflectKind, MapKey, MessageDescriptor, Value};

use crate::rules::ValueRules;
use crate::schema::{FieldPlan, Kind, MessagePlan, Schema, Shape};

/// A supply of decisions; zeros when it has run out.
pub(super) struct Entropy<'e> {
    bytes: &'e [u8],
    /// Every value is acceptable in a request.
    valid: bool,
}

impl<'e> Entropy<'e> {
    pub(super) fn new(bytes: &'e [u8], valid: bool) -> Self {
        Self { bytes, valid }
    }

    fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                *first
            }
            None => 0,
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    fn word(&mut self) -> u64 {
        // Short numbers are as likely as long ones.
        (0..self.below(9)).fold(0, |value, _| value << 8 | u64::from(self.byte()))
    }

    fn text(&mut self) -> String {
        const PARTS: [&str; 12] = [
            "a",
            "Zoë",
            "\"",
            "\\",
            "\n",
            "\u{1}",
            "😀",
            "/",
            "\u{7f}",
            "plain text, longer than a word",
            "\u{2028}",
            " ",
        ];
        (0..self.below(4)).map(|_| PARTS[self.below(PARTS.len())]).collect()
    }

    fn json(&mut self, depth: usize) -> serde_json::Value {
        use serde_json::Value as Json;
        match self.below(if depth > 2 { 5 } else { 7 }) {
            0 => Json::Null,
            1 => Json::Bool(self.below(2) == 1),
            2 => Json::from(self.word() as i64),
            3 => Json::from(f64::from(self.byte()) / 8.0),
            4 => Json::from(self.text()),
            5 => (0..self.below(3)).map(|_| self.json(depth + 1)).collect(),
            _ => self.object(depth + 1),
        }
    }

    fn object(&mut self, depth: usize) -> serde_json::Value {
        (0..self.below(4)).map(|_| (self.text(), self.json(depth))).collect::<serde_json::Map<_, _>>().into()
    }

    /// A message of the type that `plan` and `descriptor` both describe.
    pub(super) fn message(
        &mut self,
        schema: &Schema,
        plan: &MessagePlan,
        descriptor: &MessageDescriptor,
        depth: usize,
    ) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        for field in &plan.fields {
            let reflected = descriptor.get_field(field.number).unwrap();
            let must = self.valid && crate::rules::check_absent(field).is_err();
            if !must && (depth > 4 || self.below(3) == 0) {
                continue;
            }
            let value = self.field(schema, field, &reflected, depth);
            message.set_field(&reflected, value);
        }
        message
    }

    fn field(
        &mut self,
        schema: &Schema,
        field: &FieldPlan,
        reflected: &FieldDescriptor,
        depth: usize,
    ) -> Value {
        let rules = &field.rules;
        match field.shape {
            Shape::Repeated => {
                let least = rules.min_items as usize;
                let most = rules.max_items.map_or(4, |most| most.min(4) as usize).max(least);
                let mut values = Vec::new();
                for _ in 0..least + self.below(most - least + 1) {
                    let value = self.value(schema, field.kind, &rules.value, &reflected.kind(), depth);
                    if !(self.valid && rules.unique && values.contains(&value)) {
                        values.push(value);
                    }
                }
                Value::List(values)
            }
            Shape::Map => {
                let Kind::Message(entry) = field.kind else { panic!() };
                let ReflectKind::Message(reflected) = reflected.kind() else { panic!() };
                let kind = schema.messages[entry].fields[1].kind;
                let value = reflected.map_entry_value_field().kind();
                let pairs = (0..self.below(4)).map(|_| {
                    let key = MapKey::String(self.acceptable_text(&rules.keys));
                    (key, self.value(schema, kind, &rules.value, &value, depth))
                });
                Value::Map(pairs.collect())
            }
            _ => self.value(schema, field.kind, &rules.value, &reflected.kind(), depth),
        }
    }

    fn value(
        &mut self,
        schema: &Schema,
        kind: Kind,
        rules: &ValueRules,
        reflected: &ReflectKind,
        depth: usize,
    ) -> Value {
        let word = self.word();
        match kind {
            Kind::Double => Value::F64(f64::from(word as i32) / 16.0),
            Kind::Float => Value::F32(f32::from(word as i16) / 16.0),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                let value = word as i32;
                let (least, most) = (rules.gte.unwrap_or(i64::MIN), rules.lte.unwrap_or(i64::MAX));
                Value::I32(if self.valid { i64::from(value).clamp(least, most) as i32 } else { value })
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                Value::I64(if self.valid { (word as i64) >> 11 } else { word as i64 })
            }
            Kind::Uint32 | Kind::Fixed32 => Value::U32(word as u32),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(if self.valid { word >> 11 } else { word }),
            Kind::Bool => Value::Bool(word & 1 == 1),
            Kind::String => Value::String(self.acceptable_text(rules)),
            Kind::Bytes => Value::Bytes(self.text().into_bytes().into()),
            Kind::JsonObject => Value::Bytes(self.object(0).to_string().into()),
            Kind::JsonValue => {
                let json = self.json(0);
                let json = if self.valid && json.is_null() { serde_json::Value::from(1) } else { json };
                Value::Bytes(json.to_string().into())
            }
            Kind::Enum(id) => {
                let values = &schema.enums[id].values;
                let from = usize::from(self.valid);
                let known = values[from + self.below(values.len() - from)].number;
                Value::EnumNumber(if !self.valid && self.below(8) == 7 { 1000 } else { known })
            }
            Kind::Message(id) => {
                let ReflectKind::Message(descriptor) = reflected else { panic!() };
                Value::Message(self.message(schema, &schema.messages[id], descriptor, depth + 1))
            }
            Kind::Timestamp => {
                let ReflectKind::Message(descriptor) = reflected else { panic!() };
                let mut message = DynamicMessage::new(descriptor.clone());
                let seconds = (word % 315_537_897_600) as i64 - 62_135_596_800;
                let nanos = [0, 500_000_000, 1_000, 999_999_999][self.below(4)];
                message.set_field_by_number(1, Value::I64(seconds));
                message.set_field_by_number(2, Value::I32(nanos));
                Value::Message(message)
            }
            Kind::FieldMask => {
                let ReflectKind::Message(descriptor) = reflected else { panic!() };
                Value::Message(DynamicMessage::new(descriptor.clone()))
            }
        }
    }

    fn acceptable_text(&mut self, rules: &ValueRules) -> String {
        if !self.valid {
            return self.text();
        }
        if rules.uuid {
            return format!("0190aaaa-bbbb-7ccc-8ddd-{:012x}", self.word() & 0xffff_ffff_ffff);
        }
        let mut text = self.text();
        if let Some(most) = rules.max_len {
            text = text.chars().take(most as usize).collect();
        }
        let least = rules.min_len.max(u64::from(rules.required)) as usize;
        while text.chars().count() < least {
            text.push('x');
        }
        text
    }
}
