//! `/operations/{service}.{id}`: the service that does the work answers. It is found by the prefix of the id. The list of all
//! operations is asked of every service that has any: [`list`]. Changes of many records, and records out of files, go to the service that keeps
//! them: [`by_object`].
//!
//! The paths are in the contract once, at the first service that had operations. Others have RPCs of the same names and shapes
//! (a test of `fleet` holds them to it), so that what was compiled for the one serves them all.

pub(crate) mod by_object;
pub(crate) mod list;

use std::borrow::Cow;

use error::{Error, Reason};
use fleet::Member;
use transcode::{Method, PathParams};

/// How the paths of one operation begin.
const ONE: &str = "/api/v1/operations/{id}";

/// The full name of the gRPC service that a request goes to, and the path of the call.
pub(crate) fn callee<'a>(
    fleet: &[Member],
    method: &'a Method,
    params: &PathParams<'_>,
) -> Result<(&'a str, Cow<'a, str>), Error> {
    if !method.path.starts_with(ONE) {
        return Ok((&method.service, Cow::Borrowed(&method.full_name)));
    }
    let prefix = params.get(0).and_then(|id| id.split_once('.')).map(|(prefix, _)| prefix);
    let member = fleet.iter().find(|member| member.has_operations && Some(member.names.name) == prefix);
    let service = member.and_then(|member| member.service);
    let service = service.ok_or_else(|| Error::not_found(Reason::OPERATION_NOT_FOUND))?;
    Ok((service, Cow::Owned(format!("/{service}/{}", method.rpc))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet::{FLEET, Role};
    use transcode::{Api, Route};

    /// The path of the call, or why there is none; in a fleet in which fields has operations as well.
    fn call(api: &Api, verb: &str, path: &str) -> Result<String, String> {
        let second = |member: &Member| member.has_operations || member.role == Role::Fields;
        let fleet: Vec<Member> =
            FLEET.iter().map(|member| Member { has_operations: second(member), ..*member }).collect();
        let Route::Found { method, params } = api.route(verb, path) else { panic!("{verb} {path}") };
        let (service, call) = callee(&fleet, method, &params).map_err(|error| error.reason().to_owned())?;
        assert!(call.starts_with(&format!("/{service}/")), "{service} {call}");
        Ok(call.into_owned())
    }

    #[test]
    fn an_operation_is_asked_of_the_service_that_its_id_begins_with() {
        let api = Api::compile(proto::DESCRIPTORS).unwrap();
        for (name, service) in
            [("records", "globcrm.records.v1.RecordsService"), ("fields", "globcrm.fields.v1.FieldsService")]
        {
            for (verb, rest, rpc) in [
                ("GET", "", "GetOperation"),
                ("POST", ":cancel", "CancelOperation"),
                ("GET", "/errors", "GetOperationErrors"),
            ] {
                let path = format!("/api/v1/operations/{name}.1{rest}");
                assert_eq!(call(&api, verb, &path), Ok(format!("/{service}/{rpc}")), "{path}");
            }
        }
    }

    #[test]
    fn what_no_service_with_operations_begins_is_not_found() {
        let api = Api::compile(proto::DESCRIPTORS).unwrap();
        for id in [
            "identity.1",
            "gateway.1",
            "nobody.1",
            ".1",
            "1",
            "records",
            "recordsx.1",
            "RECORDS.1",
            "x.records.1",
        ] {
            for (verb, rest) in [("GET", ""), ("POST", ":cancel"), ("GET", "/errors")] {
                let path = format!("/api/v1/operations/{id}{rest}");
                assert_eq!(call(&api, verb, &path), Err("OPERATION_NOT_FOUND".to_owned()), "{path}");
            }
        }
    }

    #[test]
    fn other_paths_go_where_the_contract_says() {
        let api = Api::compile(proto::DESCRIPTORS).unwrap();
        let own = "/globcrm.records.v1.RecordsService/GetContact".to_owned();
        assert_eq!(call(&api, "GET", "/api/v1/contacts/fields.1"), Ok(own));
    }

    #[test]
    fn the_list_is_that_of_operations_and_no_other() {
        let api = Api::compile(proto::DESCRIPTORS).unwrap();
        let is_list = |verb, path| match api.route(verb, path) {
            Route::Found { method, .. } => list::is_list(method),
            _ => panic!("{verb} {path}"),
        };
        assert!(is_list("GET", "/api/v1/operations"));
        for (verb, path) in [
            ("GET", "/api/v1/operations/records.1"),
            ("POST", "/api/v1/operations/records.1:cancel"),
            ("GET", "/api/v1/operations/records.1/errors"),
            ("GET", "/api/v1/contacts"),
        ] {
            assert!(!is_list(verb, path), "{verb} {path}");
        }
    }
}
