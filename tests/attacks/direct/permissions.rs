//! The permission that the contract names is the one that a service asks for, whoever calls it and by whichever way.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use proto::descriptor::FileDescriptorSet;
use testkit::fleet::Role;

use super::{Direct, key_token};
use crate::stage::Stage;

/// A method that asks an API key for a permission.
struct Method {
    role: Role,
    path: String,
    permission: String,
}

fn methods() -> Vec<Method> {
    let set = FileDescriptorSet::decode(proto::DESCRIPTORS).expect("descriptors");
    let mut found = Vec::new();
    for file in &set.file {
        for service in &file.service {
            let full = format!("{}.{}", file.package, service.name);
            let role = Role::ALL.into_iter().find(|role| role.member().service == Some(&full));
            let role = role.unwrap_or_else(|| panic!("{full} has no role"));
            for method in &service.method {
                let policy = method.options.clone().and_then(|options| options.policy).unwrap_or_default();
                let permission = if policy.own { policy.key_permission } else { policy.permission };
                if !permission.is_empty() {
                    found.push(Method { role, path: format!("/{full}/{}", method.name), permission });
                }
            }
        }
    }
    found
}

/// Whether who has the one is let in where the other is asked for: `*.read` and `contact.read` are, either way.
fn grants(has: &str, asked: &str) -> bool {
    let parts = |permission: &str| permission.split_once('.').map(|(of, to)| (of.to_owned(), to.to_owned()));
    match (parts(has), parts(asked)) {
        (Some((of, to)), Some((asked_of, asked_to))) => {
            to == asked_to && (of == asked_of || of == "*" || asked_of == "*")
        }
        _ => has == asked,
    }
}

/// The permission that a refusal names; `None` for any other answer.
fn denied(answer: Result<bytes::Bytes, error::Error>) -> Option<String> {
    let error = answer.err().filter(|error| error.reason() == "PERMISSION_DENIED")?;
    error.metadata().get("permission").cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_asks_for_the_permission_of_the_contract_and_no_other() {
    let stage = Stage::shared().await;
    let (most, least) = (stage.tenant("all-but-one").await, stage.tenant("only-one").await);
    let methods = methods();
    assert!(methods.len() > 40, "only {} methods were found in the descriptors", methods.len());
    let all: BTreeSet<&str> = methods.iter().map(|method| method.permission.as_str()).collect();
    let mut keys = BTreeMap::new();
    for permission in &all {
        let others: Vec<&str> = all.iter().filter(|other| !grants(other, permission)).copied().collect();
        let others = key_token(stage, &most, &others).await;
        keys.insert(*permission, (others, key_token(stage, &least, &[permission]).await));
    }
    // As the gateway calls, so that an empty request is not refused for what it lacks.
    let gateway = stage.service_token(Role::Gateway).await;
    let mut wrong = Vec::new();
    for Method { role, path, permission } in &methods {
        let direct = Direct::to(stage, *role);
        let (others, only) = &keys[permission.as_str()];
        let call = async |token: &str| {
            let bearer = format!("Bearer {token}");
            let shown = [("authorization", bearer.as_str()), ("x-service-token", gateway.as_str())];
            denied(direct.call(path, &shown, Vec::new()).await)
        };
        let refused = call(others).await;
        if refused.as_ref() != Some(permission) {
            wrong.push(format!("{path} without {permission}: {refused:?}"));
        }
        let refused = call(only).await;
        if refused.is_some() {
            wrong.push(format!("{path} with nothing but {permission}: {refused:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
