//! Schemas of messages: as answers show them, as requests send them, as a PATCH sends them.

use std::collections::{BTreeMap, BTreeSet};

use super::writer::Json;
use crate::plan::Body;
use crate::rules::{self, ValueRules};
use crate::schema::{FieldPlan, Kind, MessageId, Schema, Shape};
use crate::{Api, Method};

/// What a message looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// In an answer.
    Output,
    /// In a request.
    Input,
    /// As the body of a PATCH: nothing is required, `null` clears.
    Patch,
    /// As an object inside such a body, which is merged: `null` removes any member.
    Part,
}

impl Form {
    /// The form of a message that is the value of a field, or in its list.
    fn inner(self, field: &FieldPlan) -> Self {
        match self {
            Self::Output => Self::Output,
            Self::Patch | Self::Part if field.shape == Shape::Explicit => Self::Part,
            _ => Self::Input,
        }
    }

    fn is_merged(self) -> bool {
        matches!(self, Self::Patch | Self::Part)
    }
}

/// The schemas that the document needs, and their names.
#[derive(Debug)]
pub(super) struct Schemas<'a> {
    schema: &'a Schema,
    needed: BTreeSet<(MessageId, Form)>,
    names: BTreeMap<MessageId, String>,
    /// Messages that `fields=` narrows, so that no member of theirs is certain to be there.
    narrowed: BTreeSet<MessageId>,
}

impl<'a> Schemas<'a> {
    pub(super) fn of(api: &'a Api) -> Self {
        let schema = &api.schema;
        let mut schemas =
            Self { schema, needed: BTreeSet::new(), names: names(schema), narrowed: BTreeSet::new() };
        for method in &api.methods {
            if method.request.selection.is_some() {
                schemas.narrowed.insert(method.response.resource());
            }
            if let Body::Field { message, .. } = method.request.body {
                schemas.need(message, body_form(method));
            } else if method.takes_json() {
                // Written in place, for it leaves out what the path binds; its members are needed.
                schemas.need_members(method.request.message, Form::Input);
            }
            if method.success_status != 204 && !(method.byte_stream && method.server_streaming) {
                schemas.need(method.response.printed(), Form::Output);
            }
        }
        schemas
    }

    fn need(&mut self, id: MessageId, form: Form) {
        if self.needed.insert((id, form)) {
            self.need_members(id, form);
        }
    }

    fn need_members(&mut self, id: MessageId, form: Form) {
        for field in &self.schema.messages[id].fields {
            if let Kind::Message(member) = field.kind
                && shows(field, form)
            {
                let inner = form.inner(field);
                if field.shape == Shape::Map {
                    self.need_members(member, inner);
                } else {
                    self.need(member, inner);
                }
            }
        }
    }

    /// The reference to a message's schema.
    pub(super) fn reference(&self, id: MessageId, form: Form) -> String {
        format!("#/components/schemas/{}", self.name(id, form))
    }

    fn name(&self, id: MessageId, form: Form) -> String {
        let name = self.names.get(&id).map_or("", String::as_str);
        match form {
            Form::Output => name.to_owned(),
            Form::Input => format!("{name}Input"),
            Form::Patch => format!("{name}Patch"),
            Form::Part => format!("{name}Part"),
        }
    }

    /// All schemas, as members of `components.schemas`, by name.
    pub(super) fn write_all(&self, json: &mut Json) {
        let mut needed: Vec<_> =
            self.needed.iter().map(|(id, form)| (self.name(*id, *form), *id, *form)).collect();
        needed.sort();
        for (name, id, form) in needed {
            json.key(&name);
            self.write_object(json, id, form, &[]);
        }
    }

    /// An object schema without the fields in `taken`.
    pub(super) fn write_object(&self, json: &mut Json, id: MessageId, form: Form, taken: &[usize]) {
        let plan = &self.schema.messages[id];
        let shown = || {
            let fields = plan.fields.iter().enumerate();
            fields.filter(|(at, field)| shows(field, form) && !taken.contains(at)).map(|(_, field)| field)
        };
        json.object(|json| {
            json.key("type").text("object");
            if !plan.doc.is_empty() {
                json.key("description").text(&plan.doc);
            }
            json.key("properties").object(|json| {
                for field in shown() {
                    json.key(&field.name);
                    self.write_field(json, field, form);
                }
            });
            let certain = |field: &&FieldPlan| match form {
                Form::Output => !field.omit_unset && !self.narrowed.contains(&id),
                Form::Input => rules::check_absent(field).is_err(),
                Form::Patch | Form::Part => false,
            };
            let required: Vec<&FieldPlan> = shown().filter(certain).collect();
            if !required.is_empty() {
                json.key("required").array(|json| required.iter().for_each(|field| json.text(&field.name)));
            }
            if form != Form::Output {
                json.key("additionalProperties").boolean(false);
            }
        });
    }

    fn write_field(&self, json: &mut Json, field: &FieldPlan, form: Form) {
        let input = form != Form::Output;
        let unset = if input {
            form == Form::Part || rules::check_absent(field).is_ok()
        } else {
            match (field.shape, field.kind) {
                (Shape::Implicit, Kind::Enum(_) | Kind::JsonValue) | (Shape::Explicit, _) => {
                    !field.omit_unset
                }
                _ => false,
            }
        };
        json.object(|json| {
            let rules = &field.rules;
            match field.shape {
                Shape::Repeated => {
                    write_type(json, "array", unset);
                    json.key("items")
                        .object(|json| self.write_value(json, field, field.kind, &rules.value, form, false));
                    if input {
                        let least = rules.min_items.max(u64::from(rules.required));
                        limit(json, "minItems", Some(least).filter(|n| *n > 0));
                        limit(json, "maxItems", rules.max_items);
                        if rules.unique {
                            json.key("uniqueItems").boolean(true);
                        }
                    }
                }
                Shape::Map => {
                    write_type(json, "object", unset);
                    if form == Form::Input {
                        limit(json, "maxProperties", rules.max_items);
                    }
                    if input && (rules.keys.max_len.is_some() || rules.keys.min_len > 0) {
                        json.key("propertyNames").object(|json| text_limits(json, &rules.keys));
                    }
                    if let Kind::Message(entry) = field.kind
                        && let Some(value) = self.schema.messages[entry].fields.get(1)
                    {
                        let (removes, form) = (form.is_merged(), if input { Form::Input } else { form });
                        json.key("additionalProperties").object(|json| {
                            self.write_value(json, value, value.kind, &rules.value, form, removes);
                        });
                    }
                }
                Shape::Implicit | Shape::Explicit => {
                    self.write_value(json, field, field.kind, &rules.value, form, unset);
                }
            }
            if !field.doc.is_empty() {
                json.key("description").text(&field.doc);
            }
            if form == Form::Output && field.output_only {
                json.key("readOnly").boolean(true);
            }
            if input && (field.input_only || field.secret) {
                json.key("writeOnly").boolean(true);
            }
            if !field.references.is_empty() {
                json.key("x-references").text(&field.references);
            }
            if field.immutable {
                json.key("x-immutable").boolean(true);
            }
        });
    }

    /// The members of one value's schema.
    fn write_value(
        &self,
        json: &mut Json,
        field: &FieldPlan,
        kind: Kind,
        rules: &ValueRules,
        form: Form,
        nullable: bool,
    ) {
        let input = form != Form::Output;
        match kind {
            Kind::Message(id) => {
                let reference = self.reference(id, form.inner(field));
                if nullable {
                    json.key("anyOf").array(|json| {
                        json.object(|json| json.key("$ref").text(&reference));
                        json.object(|json| json.key("type").text("null"));
                    });
                } else {
                    json.key("$ref").text(&reference);
                }
            }
            Kind::Enum(id) => {
                write_type(json, "string", nullable);
                let plan = &self.schema.enums[id];
                json.key("enum").array(|json| {
                    plan.writable().for_each(|value| json.text(&value.name));
                    if nullable {
                        // `null` is a value of its own.
                        json.null();
                    }
                });
                let documented: Vec<_> = plan.writable().filter(|value| !value.doc.is_empty()).collect();
                if !documented.is_empty() {
                    json.key("x-enum-descriptions").object(|json| {
                        for value in documented {
                            json.key(&value.name).text(&value.doc);
                        }
                    });
                }
                if field.doc.is_empty() && !plan.doc.is_empty() {
                    json.key("description").text(&plan.doc);
                }
            }
            Kind::String => {
                write_type(json, "string", nullable);
                if rules.uuid {
                    json.key("format").text("uuid");
                } else if !field.format.is_empty() {
                    json.key("format").text(&field.format);
                }
                if input {
                    text_limits(json, rules);
                }
            }
            Kind::Bytes => {
                write_type(json, "string", nullable);
                json.key("contentEncoding").text("base64");
            }
            Kind::Timestamp => {
                write_type(json, "string", nullable);
                json.key("format").text("date-time");
            }
            Kind::FieldMask => write_type(json, "string", nullable),
            Kind::JsonObject => {
                write_type(json, "object", nullable);
                json.key("additionalProperties").boolean(true);
            }
            // Any value: no constraint at all.
            Kind::JsonValue => {}
            Kind::Bool => write_type(json, "boolean", nullable),
            Kind::Double | Kind::Float => {
                write_type(json, "number", nullable);
                json.key("format").text(if kind == Kind::Float { "float" } else { "double" });
                if input {
                    rules.gte_double.into_iter().for_each(|least| json.key("minimum").double(least));
                    rules.lte_double.into_iter().for_each(|most| json.key("maximum").double(most));
                }
            }
            _ => write_integer(json, kind, rules, input, nullable),
        }
    }

    /// The schema of a query parameter.
    pub(super) fn write_parameter(&self, json: &mut Json, field: &FieldPlan) {
        json.object(|json| {
            if field.shape == Shape::Repeated {
                json.key("type").text("array");
                json.key("items").object(|json| {
                    self.write_value(json, field, field.kind, &field.rules.value, Form::Input, false);
                });
                limit(json, "maxItems", field.rules.max_items);
            } else {
                self.write_value(json, field, field.kind, &field.rules.value, Form::Input, false);
            }
        });
    }
}

/// What a method's JSON body is.
pub(super) fn body_form(method: &Method) -> Form {
    if method.request.merges { Form::Patch } else { Form::Input }
}

fn shows(field: &FieldPlan, form: Form) -> bool {
    if form == Form::Output { !field.input_only } else { !field.output_only }
}

fn write_integer(json: &mut Json, kind: Kind, rules: &ValueRules, input: bool, nullable: bool) {
    write_type(json, "integer", nullable);
    let is_32 = matches!(kind, Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 | Kind::Uint32 | Kind::Fixed32);
    let unsigned = matches!(kind, Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64);
    json.key("format").text(if is_32 { "int32" } else { "int64" });
    if input {
        // JSON readers hold integers exactly to 2^53.
        let least = if unsigned { 0 } else { -(1_i64 << 53) };
        let least = rules.gte.or(Some(least).filter(|_| !is_32 || unsigned));
        if let Some(least) = least {
            json.key("minimum").integer(least);
        }
        let most = rules.lte.or(Some(1_i64 << 53).filter(|_| !is_32));
        if let Some(most) = most {
            json.key("maximum").integer(most);
        }
    }
}

fn write_type(json: &mut Json, name: &str, nullable: bool) {
    json.key("type");
    if nullable {
        json.array(|json| {
            json.text(name);
            json.text("null");
        });
    } else {
        json.text(name);
    }
}

fn text_limits(json: &mut Json, rules: &ValueRules) {
    let least = rules.min_len.max(u64::from(rules.required));
    limit(json, "minLength", Some(least).filter(|n| *n > 0));
    limit(json, "maxLength", rules.max_len);
}

fn limit(json: &mut Json, name: &str, value: Option<u64>) {
    if let Some(value) = value {
        json.key(name).integer(value);
    }
}

/// Short names, with the service's name before those that two packages share.
fn names(schema: &Schema) -> BTreeMap<MessageId, String> {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for plan in &schema.messages {
        *count.entry(&plan.short_name).or_default() += 1;
    }
    let name = |(id, plan): (MessageId, &crate::schema::MessagePlan)| {
        if count.get(plan.short_name.as_str()) == Some(&1) {
            return (id, plan.short_name.clone());
        }
        let package = plan.full_name.split('.').nth(1).unwrap_or_default();
        (id, format!("{package}.{}", plan.short_name))
    };
    schema.messages.iter().enumerate().map(name).collect()
}
