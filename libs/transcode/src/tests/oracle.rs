//! Both directions beside prost-reflect's proto-JSON, with our documented differences applied to it.

use proptest::prelude::*;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor, SerializeOptions, Value};
use serde_json::Value as Json;

use super::entropy::Entropy;
use super::{API, named};
use crate::{Api, Checks, PathParams};

/// The options of a field as reflection sees them.
#[derive(Default)]
struct Marks {
    output_only: bool,
    input_only: bool,
    omit_unset: bool,
    /// 1 object, 2 value.
    json: i32,
}

pub(super) struct Oracle {
    pub(super) pool: DescriptorPool,
    checks: Checks,
}

impl Oracle {
    pub(super) fn new(descriptors: &[u8]) -> Self {
        let checks = Checks::compile(descriptors).unwrap();
        Self { pool: DescriptorPool::decode(descriptors).unwrap(), checks }
    }

    fn marks(&self, field: &prost_reflect::FieldDescriptor) -> Marks {
        let mut marks = Marks::default();
        let options = field.options();
        if let Some(behavior) = self.pool.get_extension_by_name("google.api.field_behavior")
            && let Some(list) = options.get_extension(&behavior).as_list()
        {
            marks.output_only = list.contains(&Value::EnumNumber(3));
            marks.input_only = list.contains(&Value::EnumNumber(4));
        }
        if let Some(policy) = self.pool.get_extension_by_name("globcrm.common.v1.field")
            && let Some(policy) = options.get_extension(&policy).as_message()
        {
            marks.json = policy.get_field_by_name("json").unwrap().as_enum_number().unwrap();
            marks.omit_unset = policy.get_field_by_name("omit_unset").unwrap().as_bool().unwrap();
        }
        marks
    }

    /// What our JSON of a message must be.
    pub(super) fn json(&self, message: &DynamicMessage) -> Json {
        let options = SerializeOptions::new()
            .skip_default_fields(false)
            .use_proto_field_name(true)
            .stringify_64_bit_integers(false);
        let json = message.serialize_with_options(serde_json::value::Serializer, &options).unwrap();
        self.normal(&message_descriptor(message), json)
    }

    fn normal(&self, descriptor: &MessageDescriptor, json: Json) -> Json {
        let Json::Object(mut members) = json else { return json };
        let mut out = serde_json::Map::new();
        for field in descriptor.fields() {
            let marks = self.marks(&field);
            let value = members.remove(field.name());
            let unset = value.as_ref().is_none_or(|value| value.as_array().is_some_and(Vec::is_empty));
            if marks.input_only || (unset && marks.omit_unset) {
                continue;
            }
            let value = match value {
                None => Json::Null,
                Some(Json::Array(items)) if field.is_list() => {
                    items.into_iter().map(|item| self.value(&field.kind(), &marks, item)).collect()
                }
                Some(Json::Object(pairs)) if field.is_map() => {
                    let Kind::Message(entry) = field.kind() else { panic!() };
                    let kind = entry.map_entry_value_field().kind();
                    let pairs = pairs.into_iter().map(|(k, v)| (k, self.value(&kind, &Marks::default(), v)));
                    Json::Object(pairs.collect())
                }
                Some(value) => self.value(&field.kind(), &marks, value),
            };
            out.insert(field.name().to_owned(), value);
        }
        assert!(members.is_empty(), "{members:?}");
        Json::Object(out)
    }

    fn value(&self, kind: &Kind, marks: &Marks, value: Json) -> Json {
        match kind {
            Kind::Enum(e) => lower(e, &value),
            Kind::Message(m) if m.full_name().starts_with("google.") => value,
            Kind::Message(m) => self.normal(m, value),
            Kind::Bytes if marks.json != 0 => {
                use base64::Engine as _;
                let text = base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap();
                match (text.is_empty(), marks.json) {
                    (true, 1) => Json::Object(serde_json::Map::new()),
                    (true, _) => Json::Null,
                    _ => serde_json::from_slice(&text).unwrap(),
                }
            }
            _ => value,
        }
    }

    /// The message without what a request cannot say.
    fn sendable(&self, message: &DynamicMessage) -> DynamicMessage {
        let mut out = DynamicMessage::new(message_descriptor(message));
        for (field, value) in message.fields() {
            let marks = self.marks(&field);
            if marks.output_only || marks.input_only {
                continue;
            }
            let inner = |value: &Value| match value {
                Value::Message(m) if !m_is_google(m) => Value::Message(self.sendable(m)),
                other => other.clone(),
            };
            let value = match value {
                Value::List(items) => Value::List(items.iter().map(inner).collect()),
                Value::Map(pairs) => Value::Map(pairs.iter().map(|(k, v)| (k.clone(), inner(v))).collect()),
                Value::Bytes(bytes) if bytes.is_empty() && marks.json == 1 => Value::Bytes("{}".into()),
                other => inner(other),
            };
            out.set_field(&field, value);
        }
        out
    }
}

fn message_descriptor(message: &DynamicMessage) -> MessageDescriptor {
    use prost_reflect::ReflectMessage;
    message.descriptor()
}

fn m_is_google(message: &DynamicMessage) -> bool {
    message_descriptor(message).full_name().starts_with("google.")
}

/// `CONTACT_POINT_KIND_WORK` -> `work`; the zero value is `null`.
fn lower(descriptor: &prost_reflect::EnumDescriptor, value: &Json) -> Json {
    let Some(name) = value.as_str() else { return value.clone() };
    if name == descriptor.default_value().name() {
        return Json::Null;
    }
    let mut prefix = String::new();
    for (at, character) in descriptor.name().char_indices() {
        if character.is_uppercase() && at > 0 {
            prefix.push('_');
        }
        prefix.extend(character.to_uppercase());
    }
    name.strip_prefix(&format!("{prefix}_")).unwrap_or(name).to_lowercase().into()
}

/// Prints the message with our transcoder.
fn ours(api: &Api, name: &str, wire: &[u8]) -> Json {
    let mut out = Vec::new();
    api.transcode_message(name, wire, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out)))
}

/// Names the first place in which two values differ: whole messages are too long to read.
fn same(ours: &Json, theirs: &Json) {
    fn differ(ours: &Json, theirs: &Json, place: &str) {
        match (ours, theirs) {
            (Json::Object(a), Json::Object(b)) if a.keys().eq(b.keys()) => {
                a.iter().for_each(|(key, value)| differ(value, &b[key], &format!("{place}/{key}")));
            }
            (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
                a.iter().zip(b).enumerate().for_each(|(at, (a, b))| differ(a, b, &format!("{place}/{at}")));
            }
            _ => assert_eq!(ours, theirs, "at {place}"),
        }
    }
    differ(ours, theirs, "");
}

pub(super) fn answer_matches(api: &Api, oracle: &Oracle, name: &str, bytes: &[u8]) {
    let descriptor = oracle.pool.get_message_by_name(name).unwrap();
    let plan = &api.schema.messages[api.schema.message(name).unwrap()];
    let message = Entropy::new(bytes, false).message(&api.schema, plan, &descriptor, 0);
    same(&ours(api, name, &message.encode_to_vec()), &oracle.json(&message));
}

/// Prints a message, sends the JSON as a body, and compares what arrives.
pub(super) fn request_matches(api: &Api, oracle: &Oracle, rpc: &str, bytes: &[u8]) {
    let method = named(api, rpc);
    let crate::plan::Body::Field { field, message } = method.request.body else { panic!("{rpc}") };
    let plan = &api.schema.messages[message];
    let descriptor = oracle.pool.get_message_by_name(&plan.full_name).unwrap();
    let resource = Entropy::new(bytes, true).message(&api.schema, plan, &descriptor, 0);
    let mut json = Vec::new();
    api.transcode_message(&plan.full_name, &resource.encode_to_vec(), &mut json).unwrap();
    let mut wire = bytes::BytesMut::new();
    let params = PathParams(vec!["p".into(); method.path_parameters().count()]);
    if let Err(error) = api.encode_request(method, &params, "", Some(&json), &mut wire) {
        panic!("{error:?}: {}", String::from_utf8_lossy(&json));
    }
    // What the gateway would send on is refused by nobody who checks it once more.
    let check = oracle.checks.of(&method.full_name).unwrap();
    assert_eq!(oracle.checks.check(check, &wire), Ok(()), "{}", String::from_utf8_lossy(&json));
    let request = &api.schema.messages[method.request.message];
    let descriptor = oracle.pool.get_message_by_name(&request.full_name).unwrap();
    let request_message = DynamicMessage::decode(descriptor, &wire[..]).unwrap();
    let arrived = request_message.get_field_by_number(request.fields[field].number).unwrap();
    let arrived = arrived.as_message().unwrap();
    let sent = oracle.sendable(&resource);
    // As proto-JSON, so that `{}` as JSON text and no text compare equal, and JSON text by its meaning.
    same(&oracle.json(arrived), &oracle.json(&sent));
}

/// Over the real descriptors.
pub(super) fn real() -> &'static Oracle {
    static ORACLE: std::sync::LazyLock<Oracle> = std::sync::LazyLock::new(|| Oracle::new(proto::DESCRIPTORS));
    &ORACLE
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_proto_json_with_the_documented_differences(
        bytes in proptest::collection::vec(any::<u8>(), 0..1500),
        name in proptest::sample::select(vec![
            "globcrm.records.v1.Contact",
            "globcrm.records.v1.Company",
            "globcrm.records.v1.ListContactsResponse",
            "globcrm.records.v1.UpdateContactRequest",
            "globcrm.common.v1.Operation",
            "globcrm.identity.v1.Role",
            "globcrm.identity.v1.SignUpResponse",
            "globcrm.identity.v1.PermissionSnapshot",
            "globcrm.fields.v1.ListFieldsResponse",
            "globcrm.fields.v1.GetFieldSetResponse",
            "globcrm.common.v1.ConflictDetail",
        ]),
    ) {
        answer_matches(&API, real(), name, &bytes);
    }

    #[test]
    fn what_is_printed_can_be_sent_and_arrives_the_same(
        bytes in proptest::collection::vec(any::<u8>(), 0..1500),
        rpc in proptest::sample::select(vec![
            "CreateContact", "UpdateContact", "CreateCompany", "CreateRole", "CreateUser", "CreateField",
            "LinkContactCompany", "CreateApiKey",
        ]),
    ) {
        request_matches(&API, real(), rpc, &bytes);
    }
}
