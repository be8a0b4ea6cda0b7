//! `POST /bulk-operations`, `POST /imports`, `POST /imports:preview`: the service that keeps the object's records does the work. It is found by the
//! object that the body names.

use std::borrow::Cow;

use error::Error;
use fleet::Member;
use prost::Message;
use proto::records::v1::{CreateBulkOperationRequest, CreateImportRequest, PreviewImportRequest};
use transcode::{Api, Method, Verb};

/// What is done with records of the object that the body names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Many of them are changed.
    Bulk,
    /// They come out of a file.
    Import,
    /// A file is looked at.
    Preview,
}

impl Work {
    /// The work of a method; `None` of any other.
    pub(crate) fn of(method: &Method) -> Option<Self> {
        match method.path.as_str() {
            "/api/v1/bulk-operations" if method.verb == Verb::Post => Some(Self::Bulk),
            "/api/v1/imports" if method.verb == Verb::Post => Some(Self::Import),
            "/api/v1/imports:preview" if method.verb == Verb::Post => Some(Self::Preview),
            _ => None,
        }
    }

    /// The object that a request names.
    fn object(self, request: &[u8]) -> Result<String, prost::DecodeError> {
        Ok(match self {
            Self::Bulk => CreateBulkOperationRequest::decode(request)?.object,
            Self::Import => CreateImportRequest::decode(request)?.object,
            Self::Preview => PreviewImportRequest::decode(request)?.object,
        })
    }
}

/// The full name of the gRPC service that keeps the object of a request, and the path of the call. Where no service with operations keeps
/// it, the one that has the path in the contract says so.
pub(crate) fn callee<'a>(
    fleet: &[Member],
    api: &Api,
    (work, method): (Work, &'a Method),
    request: &[u8],
) -> Result<(&'a str, Cow<'a, str>), Error> {
    let object = work.object(request).map_err(Error::internal)?;
    let keeper = fleet
        .iter()
        .filter(|member| member.has_operations)
        .find_map(|member| member.service.filter(|service| keeps(api, service, &object)))
        .filter(|_| work == Work::Bulk || is_imported(&object));
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

/// Whether records of the object come out of files.
fn is_imported(object: &str) -> bool {
    proto::OBJECTS.iter().any(|known| known.name == object && known.actions.contains(&"import"))
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
        let call = |object: &str| {
            let request = CreateBulkOperationRequest { object: object.to_owned(), ..Default::default() };
            let work = Work::of(method).unwrap();
            let (service, path) = callee(FLEET, &api, (work, method), &request.encode_to_vec()).unwrap();
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

    #[test]
    fn a_file_is_read_by_the_service_whose_records_come_out_of_it() {
        let api = Api::compile(proto::DESCRIPTORS).unwrap();
        for (path, rpc) in [("/api/v1/imports", "CreateImport"), ("/api/v1/imports:preview", "PreviewImport")]
        {
            let Route::Found { method, .. } = api.route("POST", path) else { panic!("{path}") };
            let work = Work::of(method).unwrap();
            for (object, service) in [
                ("contact", "globcrm.records.v1.RecordsService"),
                ("company", "globcrm.records.v1.RecordsService"),
                ("deal", "globcrm.pipeline.v1.PipelineService"),
                // These are refused where the path is in the contract.
                ("deals", "globcrm.records.v1.RecordsService"),
                ("note", "globcrm.records.v1.RecordsService"),
                ("", "globcrm.records.v1.RecordsService"),
            ] {
                let object = object.to_owned();
                let request = match work {
                    Work::Import => CreateImportRequest { object, ..Default::default() }.encode_to_vec(),
                    _ => PreviewImportRequest { object, ..Default::default() }.encode_to_vec(),
                };
                let (called, path) = callee(FLEET, &api, (work, method), &request).unwrap();
                assert_eq!((called, path.into_owned()), (service, format!("/{service}/{rpc}")));
            }
        }
    }

    #[test]
    fn requests_of_one_work_have_one_shape_in_all_services() {
        use proto::descriptor::FileDescriptorSet;
        let set = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
        let shape = |package: &str, name: &str| {
            let files = set.file.iter().filter(|file| file.package == package);
            let message = files.flat_map(|file| &file.message_type).find(|m| m.name == name);
            let message = message.unwrap_or_else(|| panic!("{package} has no {name}"));
            let fields = message.field.iter();
            fields.map(|f| (f.name.clone(), f.number, f.r#type, f.label)).collect::<Vec<_>>()
        };
        for name in [
            "CreateImportRequest",
            "PreviewImportRequest",
            "PreviewImportResponse",
            "PreviewRow",
            "ColumnMapping",
        ] {
            assert_eq!(shape("globcrm.records.v1", name), shape("globcrm.pipeline.v1", name), "{name}");
        }
    }
}
