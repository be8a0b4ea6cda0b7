//! `POST /bulk-operations`: the service that keeps the object's records does the work. It is found by the object that the body names.

use std::borrow::Cow;

use error::Error;
use fleet::Member;
use prost::Message;
use proto::records::v1::CreateBulkOperationRequest;
use transcode::{Api, Method, Verb};

/// Whether the method is the change of many records.
pub(crate) fn is_bulk(method: &Method) -> bool {
    method.verb == Verb::Post && method.path == "/api/v1/bulk-operations"
}

/// The full name of the gRPC service that keeps the object of a request, and the path of the call. Where no service with operations keeps
/// it, the one that has the path in the contract says so.
pub(crate) fn callee<'a>(
    fleet: &[Member],
    api: &Api,
    method: &'a Method,
    request: &[u8],
) -> Result<(&'a str, Cow<'a, str>), Error> {
    let object = CreateBulkOperationRequest::decode(request).map_err(Error::internal)?.object;
    let keeper = fleet
        .iter()
        .filter(|member| member.has_operations)
        .find_map(|member| member.service.filter(|service| keeps(api, service, &object)));
    Ok(match keeper {
        Some(service) => (service, Cow::Owned(format!("/{service}/{}", method.rpc))),
        None => (&method.service, Cow::Borrowed(&method.full_name)),
    })
}

/// Whether a service keeps the records of an object: `deals`, as in its path, or `deal`.
fn keeps(api: &Api, service: &str, object: &str) -> bool {
    let path = format!("/api/v1/{object}");
    let lists =
        |method: &Method| method.verb == Verb::Get && method.path == path && method.service == service;
    let package = service.rsplit_once('.').map(|(package, _)| package);
    !object.contains('/') && api.methods().iter().any(lists)
        || proto::OBJECTS.iter().any(|known| known.name == object && Some(known.package) == package)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet::FLEET;
    use transcode::Route;

    #[test]
    fn the_service_that_keeps_the_object_is_called() {
        let api = Api::compile(proto::DESCRIPTORS).unwrap();
        let Route::Found { method, .. } = api.route("POST", "/api/v1/bulk-operations") else { panic!() };
        assert!(is_bulk(method));
        let call = |object: &str| {
            let request = CreateBulkOperationRequest { object: object.to_owned(), ..Default::default() };
            let (service, path) = callee(FLEET, &api, method, &request.encode_to_vec()).unwrap();
            assert!(path.starts_with(&format!("/{service}/")), "{service} {path}");
            path.into_owned()
        };
        let (records, pipeline) = (
            "/globcrm.records.v1.RecordsService/CreateBulkOperation",
            "/globcrm.pipeline.v1.PipelineService/CreateBulkOperation",
        );
        for (object, path) in [
            ("contacts", records),
            ("contact", records),
            ("companies", records),
            ("deals", pipeline),
            ("deal", pipeline),
            ("users", records),
            ("../deals", records),
            ("deals/{id}", records),
            ("", records),
        ] {
            assert_eq!(call(object), path, "{object}");
        }
    }
}
