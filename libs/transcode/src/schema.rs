//! Message and enum plans: the descriptors in the form that both directions run on.

use std::collections::BTreeMap;

use prost_types::field_descriptor_proto::Type;
use proto::common::v1::JsonKind;
use proto::descriptor::{EnumDescriptor, FieldDescriptor, FileDescriptorSet, MessageDescriptor};
use proto::google_api::FieldBehavior;

use crate::docs::Docs;
use crate::plan::CompileError;
use crate::rules::{self, Rules};

/// Index into [`Schema::messages`].
pub(crate) type MessageId = usize;
/// Index into [`Schema::enums`].
pub(crate) type EnumId = usize;

/// All messages and enums outside `google` and `buf`.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(crate) messages: Vec<MessagePlan>,
    pub(crate) enums: Vec<EnumPlan>,
    by_name: BTreeMap<String, Named>,
}

#[derive(Debug, Clone, Copy)]
enum Named {
    Message(MessageId),
    Enum(EnumId),
}

#[derive(Debug)]
pub(crate) struct MessagePlan {
    /// Without a leading dot.
    pub(crate) full_name: String,
    /// Below the package, joined without dots.
    pub(crate) short_name: String,
    pub(crate) doc: String,
    /// In the order of declaration, which is the order of the JSON.
    pub(crate) fields: Vec<FieldPlan>,
    /// What is needed to find the fields on the wire, apart from the rest for the sake of the caches.
    pub(crate) on_wire: Vec<OnWire>,
    /// Sorted by number.
    numbers: Vec<(u32, u16)>,
    /// Sorted by name.
    names: Vec<(Box<str>, u16)>,
    /// The generated pair of a map: key, then value.
    pub(crate) map_entry: bool,
}

impl MessagePlan {
    pub(crate) fn by_name(&self, name: &str) -> Option<usize> {
        let at = self.names.binary_search_by(|(n, _)| (**n).cmp(name)).ok()?;
        Some(usize::from(self.names[at].1))
    }

    /// `hint`: the field after the last one found; messages are written in order.
    #[inline]
    pub(crate) fn by_number(&self, number: u32, hint: usize) -> Option<usize> {
        if self.on_wire.get(hint).is_some_and(|field| field.number == number) {
            return Some(hint);
        }
        let at = self.numbers.binary_search_by_key(&number, |(n, _)| *n).ok()?;
        Some(usize::from(self.numbers[at].1))
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct OnWire {
    number: u32,
    /// Of one element, unpacked.
    pub(crate) wire_type: u8,
    pub(crate) repeated: bool,
}

#[derive(Debug)]
pub(crate) struct FieldPlan {
    pub(crate) name: Box<str>,
    /// `,"name":`
    pub(crate) key: Box<[u8]>,
    pub(crate) number: u32,
    /// Of one element; of a map, [`Kind::Message`] with the entry's plan.
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
    pub(crate) output_only: bool,
    pub(crate) input_only: bool,
    pub(crate) immutable: bool,
    pub(crate) omit_unset: bool,
    pub(crate) secret: bool,
    /// Member of a `oneof`; served in answers only.
    pub(crate) in_oneof: bool,
    pub(crate) format: String,
    pub(crate) references: String,
    pub(crate) rules: Rules,
    pub(crate) doc: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Absent is zero.
    Implicit,
    Explicit,
    Repeated,
    Map,
}

/// The type of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    /// `bytes` that hold a JSON object.
    JsonObject,
    /// `bytes` that hold any JSON value.
    JsonValue,
    Enum(EnumId),
    Message(MessageId),
    Timestamp,
    FieldMask,
}

impl Kind {
    pub(crate) fn wire_type(self) -> u8 {
        match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => crate::wire::I64,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => crate::wire::I32,
            Self::Int32 | Self::Int64 | Self::Uint32 | Self::Uint64 | Self::Sint32 | Self::Sint64 => {
                crate::wire::VARINT
            }
            Self::Bool | Self::Enum(_) => crate::wire::VARINT,
            _ => crate::wire::LEN,
        }
    }
}

#[derive(Debug)]
pub(crate) struct EnumPlan {
    pub(crate) doc: String,
    /// In the order of declaration.
    pub(crate) values: Vec<EnumValuePlan>,
}

#[derive(Debug)]
pub(crate) struct EnumValuePlan {
    pub(crate) number: i32,
    /// Lower case without prefix.
    pub(crate) name: String,
    pub(crate) doc: String,
}

impl EnumPlan {
    pub(crate) fn name(&self, number: i32) -> Option<&str> {
        // Most enums count from zero without a gap.
        let guess = self.values.get(number as usize).filter(|v| v.number == number);
        guess.or_else(|| self.values.iter().find(|v| v.number == number)).map(|v| v.name.as_str())
    }

    /// The zero value says "not set", which JSON says with `null`.
    pub(crate) fn number(&self, name: &str) -> Option<i32> {
        self.writable().find(|v| v.name == name).map(|v| v.number)
    }

    /// The values a request may name.
    pub(crate) fn writable(&self) -> impl Iterator<Item = &EnumValuePlan> {
        self.values.iter().filter(|v| v.number != 0)
    }
}

impl Schema {
    pub(crate) fn message(&self, full_name: &str) -> Option<MessageId> {
        match self.by_name.get(full_name) {
            Some(Named::Message(id)) => Some(*id),
            _ => None,
        }
    }

    pub(crate) fn compile(set: &FileDescriptorSet) -> Result<Self, CompileError> {
        let mut schema = Self::default();
        let mut open = Vec::new();
        for file in &set.file {
            let package = file.package.as_str();
            if ["google", "buf"].iter().any(|p| package.split('.').next() == Some(p)) {
                continue;
            }
            let docs = Docs::of(file);
            for (at, message) in file.message_type.iter().enumerate() {
                schema.gather(package, "", message, vec![4, at as i32], &docs, &mut open);
            }
            for (at, item) in file.enum_type.iter().enumerate() {
                schema.gather_enum(package, "", item, &[5, at as i32], &docs);
            }
        }
        for (id, message, path, docs) in open {
            let full_name = schema.messages[id].full_name.clone();
            for (at, field) in message.field.iter().enumerate() {
                let doc = docs.get(&[path.as_slice(), &[2, at as i32]].concat());
                let plan = schema.field(field, doc).map_err(|what| CompileError::Field {
                    message: full_name.clone(),
                    field: field.name.clone(),
                    what,
                })?;
                let place = u16::try_from(at).map_err(|_| CompileError::Field {
                    message: full_name.clone(),
                    field: field.name.clone(),
                    what: "a message has at most 65535 fields".to_owned(),
                })?;
                let message = &mut schema.messages[id];
                message.numbers.push((plan.number, place));
                message.names.push((plan.name.clone(), place));
                message.on_wire.push(OnWire {
                    number: plan.number,
                    wire_type: plan.kind.wire_type(),
                    repeated: matches!(plan.shape, Shape::Repeated | Shape::Map),
                });
                message.fields.push(plan);
            }
            schema.messages[id].numbers.sort_unstable();
            schema.messages[id].names.sort_unstable();
        }
        Ok(schema)
    }

    /// Gives the message and those inside it their places, the inner ones first; fields come when all are known.
    fn gather<'d>(
        &mut self,
        package: &str,
        outer: &str,
        message: &'d MessageDescriptor,
        path: Vec<i32>,
        docs: &Docs,
        open: &mut Vec<(MessageId, &'d MessageDescriptor, Vec<i32>, Docs)>,
    ) {
        let below = if outer.is_empty() { message.name.clone() } else { format!("{outer}.{}", message.name) };
        let full_name = if package.is_empty() { below.clone() } else { format!("{package}.{below}") };
        for (at, nested) in message.nested_type.iter().enumerate() {
            let path = [path.as_slice(), &[3, at as i32]].concat();
            self.gather(package, &below, nested, path, docs, open);
        }
        for (at, nested) in message.enum_type.iter().enumerate() {
            let path = [path.as_slice(), &[4, at as i32]].concat();
            self.gather_enum(package, &below, nested, &path, docs);
        }
        let id = self.messages.len();
        self.by_name.insert(full_name.clone(), Named::Message(id));
        self.messages.push(MessagePlan {
            full_name,
            short_name: below.replace('.', ""),
            doc: docs.get(&path),
            fields: Vec::new(),
            on_wire: Vec::new(),
            numbers: Vec::new(),
            names: Vec::new(),
            map_entry: message.options.as_ref().is_some_and(|options| options.map_entry),
        });
        open.push((id, message, path, docs.clone()));
    }

    fn gather_enum(&mut self, package: &str, outer: &str, item: &EnumDescriptor, path: &[i32], docs: &Docs) {
        let scope: Vec<&str> = [package, outer, &item.name].into_iter().filter(|s| !s.is_empty()).collect();
        let prefix = upper_snake(&item.name) + "_";
        let value = |(at, value): (usize, &proto::descriptor::EnumValueDescriptor)| EnumValuePlan {
            number: value.number,
            name: value.name.strip_prefix(&prefix).unwrap_or(&value.name).to_ascii_lowercase(),
            doc: docs.get(&[path, &[2, at as i32]].concat()),
        };
        let values = item.value.iter().enumerate().map(value).collect();
        self.by_name.insert(scope.join("."), Named::Enum(self.enums.len()));
        self.enums.push(EnumPlan { doc: docs.get(path), values });
    }

    fn field(&self, field: &FieldDescriptor, doc: String) -> Result<FieldPlan, String> {
        let options = field.options.clone().unwrap_or_default();
        let policy = options.policy.unwrap_or_default();
        let json = JsonKind::try_from(policy.json).map_err(|_| "the kind of JSON is unknown")?;
        let (kind, is_map) = self.kind(field, json)?;
        let shape = match field.label {
            3 if is_map => Shape::Map,
            3 => Shape::Repeated,
            _ if field.proto3_optional || field.oneof_index.is_some() => Shape::Explicit,
            _ if matches!(kind, Kind::Message(_) | Kind::Timestamp | Kind::FieldMask) => Shape::Explicit,
            _ => Shape::Implicit,
        };
        let has = |behavior: FieldBehavior| options.behavior.contains(&(behavior as i32));
        if has(FieldBehavior::OutputOnly) && has(FieldBehavior::InputOnly) {
            return Err("a field is not both output-only and input-only".to_owned());
        }
        let value_kind = match (shape, kind) {
            (Shape::Map, Kind::Message(entry)) => self.map_value(entry)?,
            _ => kind,
        };
        let rules = rules::compile(options.rules.as_ref(), value_kind, shape)?;
        Ok(FieldPlan {
            name: field.name.as_str().into(),
            key: format!(",\"{}\":", field.name).into_bytes().into(),
            number: u32::try_from(field.number).map_err(|_| "the field number is out of range")?,
            kind,
            shape,
            output_only: has(FieldBehavior::OutputOnly),
            input_only: has(FieldBehavior::InputOnly),
            immutable: has(FieldBehavior::Immutable),
            omit_unset: policy.omit_unset,
            secret: policy.secret,
            in_oneof: field.oneof_index.is_some() && !field.proto3_optional,
            format: policy.format,
            references: policy.references,
            rules,
            doc,
        })
    }

    /// The kind of a map's values. Entries are gathered before the message they stand in, so they are compiled.
    fn map_value(&self, entry: MessageId) -> Result<Kind, String> {
        match self.messages[entry].fields.as_slice() {
            [key, value] if key.kind == Kind::String => Ok(value.kind),
            _ => Err("the keys of a map must be strings".to_owned()),
        }
    }

    /// The kind of a field's values, and whether the field is a map.
    fn kind(&self, field: &FieldDescriptor, json: JsonKind) -> Result<(Kind, bool), String> {
        let ty = Type::try_from(field.r#type).map_err(|_| "the type is unknown")?;
        if json != JsonKind::Unspecified && ty != Type::Bytes {
            return Err("only `bytes` can hold JSON".to_owned());
        }
        let type_name = field.type_name.trim_start_matches('.');
        let kind = match ty {
            Type::Double => Kind::Double,
            Type::Float => Kind::Float,
            Type::Int32 => Kind::Int32,
            Type::Int64 => Kind::Int64,
            Type::Uint32 => Kind::Uint32,
            Type::Uint64 => Kind::Uint64,
            Type::Sint32 => Kind::Sint32,
            Type::Sint64 => Kind::Sint64,
            Type::Fixed32 => Kind::Fixed32,
            Type::Fixed64 => Kind::Fixed64,
            Type::Sfixed32 => Kind::Sfixed32,
            Type::Sfixed64 => Kind::Sfixed64,
            Type::Bool => Kind::Bool,
            Type::String => Kind::String,
            Type::Bytes => match json {
                JsonKind::Object => Kind::JsonObject,
                JsonKind::Value => Kind::JsonValue,
                JsonKind::Unspecified => Kind::Bytes,
            },
            Type::Enum => match self.by_name.get(type_name) {
                Some(Named::Enum(id)) => Kind::Enum(*id),
                _ => return Err(format!("the enum `{type_name}` is not served")),
            },
            Type::Message => match (type_name, self.by_name.get(type_name)) {
                ("google.protobuf.Timestamp", _) => Kind::Timestamp,
                ("google.protobuf.FieldMask", _) => Kind::FieldMask,
                (_, Some(Named::Message(id))) => Kind::Message(*id),
                _ => return Err(format!("the message `{type_name}` is not served")),
            },
            Type::Group => return Err("groups are not served".to_owned()),
        };
        let is_map = matches!(kind, Kind::Message(id) if self.messages[id].map_entry);
        Ok((kind, is_map))
    }
}

/// `ContactPointKind` -> `CONTACT_POINT_KIND`.
fn upper_snake(name: &str) -> String {
    let mut out = String::new();
    for (at, character) in name.chars().enumerate() {
        if at > 0 && character.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(character.to_ascii_uppercase());
    }
    out
}
