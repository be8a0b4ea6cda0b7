//! What the descriptors say, and what was made of them.

use std::collections::BTreeSet;

use prost::Message;
use prost_types::Timestamp;
use proto::common::v1::MethodPolicy;
use proto::descriptor::{FileDescriptorSet, MessageDescriptor};
use proto::identity::v1::{GetJwksRequest, GetMeRequest, GetSnapshotRequest, ListSessionsRequest};
use proto::records::v1::{CreateUploadRequest, RestoreContactRequest};
use proto::rpc::{Access, Permission};
use proto::{OBJECTS, Rpc, moment, timestamp};

fn actions(name: &str) -> &'static [&'static str] {
    OBJECTS.iter().find(|object| object.name == name).unwrap().actions
}

#[test]
fn what_can_be_granted_is_what_methods_ask_for_and_what_the_object_adds() {
    assert_eq!(actions("contact"), ["assign", "create", "delete", "import", "read", "update"]);
    assert_eq!(actions("company"), ["assign", "create", "delete", "import", "read", "update"]);
    assert_eq!(actions("session"), ["delete", "read"]);
    assert_eq!(actions("team"), ["create", "delete", "read", "update"]);
    assert!(actions("operation").is_empty());
}

#[test]
fn names_are_unique() {
    let names: BTreeSet<_> = OBJECTS.iter().map(|object| object.name).collect();
    assert_eq!(names.len(), OBJECTS.len());
}

#[test]
fn every_reference_names_an_object_of_the_catalogue() {
    fn references(message: &MessageDescriptor, into: &mut BTreeSet<String>) {
        let policies = message.field.iter().filter_map(|field| field.options.as_ref()?.policy.as_ref());
        into.extend(policies.map(|policy| policy.references.clone()).filter(|name| !name.is_empty()));
        message.nested_type.iter().for_each(|nested| references(nested, into));
    }
    let set = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
    let mut named = BTreeSet::new();
    set.file.iter().flat_map(|file| &file.message_type).for_each(|m| references(m, &mut named));
    let unknown: Vec<_> =
        named.iter().filter(|name| OBJECTS.iter().all(|object| object.name != **name)).collect();
    assert!(named.len() > 5 && unknown.is_empty(), "{unknown:?} of {named:?}");
}

#[test]
fn a_moment_survives_the_wire_also_before_1970() {
    for (seconds, nanos) in [(0, 0), (1_700_000_000, 999_999_999), (-1, 1), (-62_135_596_800, 0)] {
        let wire = Timestamp { seconds, nanos };
        assert_eq!(moment(&wire).map(timestamp), Some(wire));
    }
}

#[test]
fn what_is_not_a_moment_of_the_calendar_is_refused() {
    for (seconds, nanos) in
        [(0, -1), (0, 1_000_000_000), (-62_135_596_801, 0), (253_402_300_800, 0), (i64::MAX, 0)]
    {
        assert_eq!(moment(&Timestamp { seconds, nanos }), None, "{seconds} {nanos}");
    }
}

#[test]
fn every_method_says_who_may_call_it_and_no_two_share_a_request() {
    let set = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
    let methods: Vec<_> = set.file.into_iter().flat_map(|f| f.service).flat_map(|s| s.method).collect();
    let mut wrong = Vec::new();
    for method in &methods {
        let options = method.options.clone().unwrap_or_default();
        if !is_clear(&options.policy.unwrap_or_default()) {
            wrong.push(&method.name);
        }
    }
    assert!(wrong.is_empty(), "not one of permission, own, public and internal: {wrong:?}");
    let mut requests: Vec<_> = methods.iter().map(|method| &method.input_type).collect();
    requests.sort_unstable();
    requests.dedup();
    assert!(methods.len() > 50 && requests.len() == methods.len(), "a request of two methods");
}

/// Exactly one of them; a public method may be one of services besides, and only an own one asks more of a key.
fn is_clear(policy: &MethodPolicy) -> bool {
    let names_one = !policy.permission.is_empty();
    let one = [names_one, policy.own, policy.public || policy.internal];
    let is_pair = |text: &str| {
        let parts: Vec<_> = text.split('.').collect();
        parts.len() == 2 && parts.iter().all(|part| !part.is_empty())
    };
    one.iter().filter(|is| **is).count() == 1
        && (!names_one || is_pair(&policy.permission))
        && (policy.key_permission.is_empty() || policy.own && is_pair(&policy.key_permission))
}

#[test]
fn a_request_knows_its_method() {
    let named = |object, action| Permission { object, action };
    assert_eq!(RestoreContactRequest::NAME, "globcrm.records.v1.RecordsService/RestoreContact");
    assert_eq!(RestoreContactRequest::ACCESS, Access::Permission(named("contact", "delete")));
    let upload = <tonic::Streaming<CreateUploadRequest>>::ACCESS;
    assert_eq!(upload, Access::Permission(named(Permission::ANY, "import")));
    assert_eq!(GetJwksRequest::ACCESS, Access::Public);
    assert_eq!(GetSnapshotRequest::ACCESS, Access::Internal);
    assert_eq!(GetMeRequest::ACCESS, Access::Own { key: None });
    assert_eq!(ListSessionsRequest::ACCESS, Access::Own { key: Some(named("session", "read")) });
}
