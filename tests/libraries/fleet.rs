//! The one list of services against itself and against the protos.

use std::collections::BTreeSet;

use fleet::{FLEET, Role};
use prost::Message;
use proto::descriptor::FileDescriptorSet;

#[test]
fn names_are_the_roles_in_lower_and_upper_case() {
    for member in FLEET {
        let role = format!("{:?}", member.role);
        assert_eq!(member.names.name, role.to_lowercase());
        assert_eq!(member.names.upper, role.to_uppercase());
        assert_eq!(Role::named(member.names.name), Some(member.role));
    }
    assert_eq!(Role::named("nobody"), None);
}

#[test]
fn calls_go_to_earlier_roles_that_serve_and_to_identity_first() {
    for member in FLEET {
        assert!(member.calls.is_sorted_by(|a, b| a < b), "{member:?}");
        for called in member.calls {
            assert!(*called < member.role, "a circle: {:?} calls {called:?}", member.role);
            assert!(called.member().service.is_some(), "{called:?} serves nothing that could be called");
        }
        // Whoever is not identity asks it who calls.
        let asks = member.calls.first() == Some(&Role::Identity);
        assert_eq!(asks, member.role != Role::Identity, "{member:?}");
    }
}

#[test]
fn the_gateway_calls_every_service() {
    let serve = FLEET.iter().filter(|member| member.service.is_some()).map(|member| member.role);
    assert_eq!(Role::Gateway.member().calls, serve.collect::<Vec<_>>());
}

#[test]
fn the_services_are_those_of_the_protos_each_in_the_package_of_its_name() {
    let set = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
    let mut declared = BTreeSet::new();
    for file in &set.file {
        declared.extend(file.service.iter().map(|service| format!("{}.{}", file.package, service.name)));
    }
    let listed = FLEET.iter().filter_map(|member| member.service);
    assert_eq!(listed.map(str::to_owned).collect::<BTreeSet<_>>(), declared);
    for member in FLEET {
        let package = format!("globcrm.{}.v1.", member.names.name);
        assert!(member.service.is_none_or(|service| service.starts_with(&package)), "{member:?}");
    }
}

/// The fields of a message: name, number, type, and the name of the message or enum that it holds.
fn shape(set: &FileDescriptorSet, type_name: &str) -> Vec<(String, i32, i32, String)> {
    let (package, name) = type_name.trim_start_matches('.').rsplit_once('.').unwrap();
    let files = set.file.iter().filter(|file| file.package == package);
    let message = files.flat_map(|file| &file.message_type).find(|message| message.name == name).unwrap();
    let field =
        |f: &proto::descriptor::FieldDescriptor| (f.name.clone(), f.number, f.r#type, f.type_name.clone());
    message.field.iter().map(field).collect()
}

/// What the gateway compiled for the first of them serves them all.
#[test]
fn services_with_operations_have_the_rpcs_of_them_all_shaped_alike() {
    let set = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
    let mut first = None;
    for member in FLEET {
        let services = set.file.iter().flat_map(|file| file.service.iter().map(move |s| (file, s)));
        let own =
            services.filter(|(file, s)| member.service == Some(&format!("{}.{}", file.package, s.name)));
        let mut rpcs: Vec<_> = own
            .flat_map(|(_, service)| &service.method)
            .filter(|rpc| {
                let of = [
                    "CreateBulkOperation",
                    "UndoOperation",
                    "GetOperation",
                    "ListOperations",
                    "CancelOperation",
                    "GetOperationErrors",
                ];
                of.contains(&rpc.name.as_str())
            })
            .map(|rpc| (rpc.name.clone(), shape(&set, &rpc.input_type), shape(&set, &rpc.output_type)))
            .collect();
        rpcs.sort();
        assert_eq!(rpcs.len(), if member.has_operations { 6 } else { 0 }, "{:?}", member.role);
        if member.has_operations {
            assert_eq!(first.get_or_insert_with(|| rpcs.clone()), &rpcs, "{:?}", member.role);
        }
    }
    assert!(first.is_some(), "no service has operations");
}
