use super::{API, method};
use crate::{Route, Verb};

fn found(verb: &str, path: &str) -> (String, Vec<String>) {
    match API.route(verb, path) {
        Route::Found { method, params } => {
            (method.rpc.clone(), params.0.iter().map(|p| p.clone().into_owned()).collect())
        }
        other => panic!("{verb} {path}: {other:?}"),
    }
}

#[test]
fn every_binding_is_found_by_its_own_path() {
    assert!(API.methods().len() > 40, "{} methods", API.methods().len());
    for method in API.methods() {
        let mut path = method.path.clone();
        for (at, name) in method.path_parameters().enumerate() {
            path = path.replace(&format!("{{{name}}}"), &format!("value{at}"));
        }
        let (rpc, params) = found(method.verb.as_str(), &path);
        assert_eq!(rpc, method.rpc, "{path}");
        let wanted: Vec<String> = (0..params.len()).map(|at| format!("value{at}")).collect();
        assert_eq!(params, wanted);
    }
}

#[test]
fn collections_items_and_verbs_are_told_apart() {
    assert_eq!(found("GET", "/api/v1/contacts"), ("ListContacts".to_owned(), vec![]));
    assert_eq!(found("POST", "/api/v1/contacts"), ("CreateContact".to_owned(), vec![]));
    assert_eq!(found("PATCH", "/api/v1/contacts/x"), ("UpdateContact".to_owned(), vec!["x".to_owned()]));
    assert_eq!(
        found("POST", "/api/v1/contacts/x:restore"),
        ("RestoreContact".to_owned(), vec!["x".to_owned()])
    );
    assert_eq!(found("POST", "/api/v1/invitations:accept").0, "AcceptInvitation");
    let (rpc, params) = found("DELETE", "/api/v1/contacts/a/companies/b%20c");
    assert_eq!((rpc.as_str(), params), ("UnlinkContactCompany", vec!["a".to_owned(), "b c".to_owned()]));
    let (rpc, params) = found("GET", "/api/v1/operations/records.0190");
    assert_eq!((rpc.as_str(), params), ("GetOperation", vec!["records.0190".to_owned()]));
}

/// Some clients encode every colon of a path.
#[test]
fn the_colon_before_every_verb_may_be_encoded() {
    let mut verbs = 0;
    for method in API.methods() {
        let Some((front, verb)) = method.path.rsplit_once(':') else { continue };
        let front = method
            .path_parameters()
            .fold(front.to_owned(), |path, name| path.replace(&format!("{{{name}}}"), "records.0190-a%3Ab"));
        for colon in ["%3A", "%3a"] {
            let (rpc, params) = found(method.verb.as_str(), &format!("{front}{colon}{verb}"));
            assert_eq!(rpc, method.rpc, "{front}{colon}{verb}");
            assert!(params.iter().all(|param| param == "records.0190-a:b"), "{params:?}");
        }
        verbs += 1;
    }
    assert!(verbs > 5, "{verbs} verbs");
}

#[test]
fn other_verbs_are_not_allowed_and_other_paths_not_found() {
    let Route::MethodNotAllowed { allow } = API.route("PUT", "/api/v1/contacts/x") else { panic!() };
    assert_eq!(allow, [Verb::Delete, Verb::Get, Verb::Patch]);
    let Route::MethodNotAllowed { allow } = API.route("GET", "/api/v1/contacts/x:restore") else { panic!() };
    assert_eq!(allow, [Verb::Post]);
    for path in [
        "/",
        "/api/v1",
        "/api/v1/contacts/",
        "/api/v1/contacts//companies",
        "/api/v1/contacts/x:erase",
        "/api/v1/contacts/x/y",
        "/api/v2/contacts",
        "/API/v1/contacts",
    ] {
        assert!(matches!(API.route("GET", path), Route::NotFound), "{path}");
    }
    assert!(matches!(API.route("GET", "/api/v1/contacts/%c3%28"), Route::Malformed));
}

#[test]
fn policies_are_resolved() {
    let create = method("CreateContact");
    assert_eq!(create.full_name, "/globcrm.records.v1.RecordsService/CreateContact");
    assert_eq!(create.service, "globcrm.records.v1.RecordsService");
    assert_eq!(create.permission.as_deref(), Some("contact.create"));
    assert_eq!(create.success_status, 201);
    assert!(create.idempotent && !create.public && !create.secret_answer && create.takes_json());
    assert_eq!(create.rate_class, proto::common::v1::RateClass::Write);
    assert_eq!(method("GetContact").rate_class, proto::common::v1::RateClass::Read);
    assert_eq!(method("ListContacts").rate_class, proto::common::v1::RateClass::List);
    assert_eq!(method("GetContact").success_status, 200);
    assert!(method("UpdateContact").conditional && method("UnlinkContactCompany").conditional);
    assert!(!create.conditional && !method("DeleteSession").conditional);
    let login = method("Login");
    assert!(login.public && login.secret_answer && login.permission.is_none());
    let upload = method("CreateUpload");
    assert!(upload.byte_stream && upload.client_streaming && !upload.takes_json());
    assert!(API.methods().iter().all(|method| method.rpc != "GetFieldSet"), "internal methods have no route");
}
