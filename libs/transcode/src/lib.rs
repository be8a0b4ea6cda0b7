#![doc = include_str!("../README.md")]

mod check;
mod docs;
mod json;
mod location;
mod openapi;
mod percent;
mod plan;
mod request;
mod response;
mod router;
mod rules;
mod schema;
mod select;
pub mod stream;
#[cfg(test)]
mod tests;
mod timestamp;
mod unsupported;
mod violation;
mod wire;

use bytes::BytesMut;
use prost::Message as _;
use proto::descriptor::FileDescriptorSet;

pub use check::{Check, CheckError, Checks};
pub use openapi::DocumentInfo;
pub use plan::{CompileError, Method};
pub use reasons::Reason;
pub use request::{BodyError, JsonError, JsonFault, RequestError, RequestMeta};
pub use response::{DecodeError, ResponseMeta};
pub use router::{PathParams, Verb};
pub use select::FieldSelection;
pub use violation::{MAX_VIOLATIONS, Violation};

use router::{Match, Router};
use schema::Schema;

/// The REST view of all services, ready to serve. Immutable; share it.
#[derive(Debug)]
pub struct Api {
    schema: Schema,
    methods: Vec<Method>,
    router: Router,
}

/// Where a request goes.
#[derive(Debug)]
pub enum Route<'a, 'p> {
    /// To this method.
    Found {
        /// The method.
        method: &'a Method,
        /// The decoded values of the path's parameters.
        params: PathParams<'p>,
    },
    /// 405: the path exists for other verbs; sorted.
    MethodNotAllowed {
        /// For the header `Allow`.
        allow: Vec<Verb>,
    },
    /// 400: a parameter is not percent-encoded UTF-8.
    Malformed,
    /// 404.
    NotFound,
}

impl Api {
    /// Compiles an encoded `FileDescriptorSet` (see [`proto::DESCRIPTORS`]).
    pub fn compile(descriptors: &[u8]) -> Result<Self, CompileError> {
        let set = FileDescriptorSet::decode(descriptors)?;
        unsupported::check(descriptors)?;
        let schema = Schema::compile(&set)?;
        let (methods, router) = plan::compile(&set, &schema)?;
        Ok(Self { schema, methods, router })
    }

    /// All REST bindings, in the order of the descriptors.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// Finds the method of an HTTP verb (in capitals) and a path without its query.
    pub fn route<'p>(&self, verb: &str, path: &'p str) -> Route<'_, 'p> {
        match self.router.find(verb, path) {
            Match::Found(at, params) => match self.methods.get(at) {
                Some(method) => Route::Found { method, params },
                None => Route::NotFound,
            },
            Match::MethodNotAllowed(allow) => Route::MethodNotAllowed { allow },
            Match::Malformed => Route::Malformed,
            Match::NotFound => Route::NotFound,
        }
    }

    /// Appends the request message in wire form to `out`. `query`: as it came, without `?`. `body`: the JSON bytes;
    /// `None`, empty and white space mean the same. On an error `out` is as it was.
    pub fn encode_request(
        &self,
        method: &Method,
        params: &PathParams<'_>,
        query: &str,
        body: Option<&[u8]>,
        out: &mut BytesMut,
    ) -> Result<RequestMeta, RequestError> {
        request::encode(&self.schema, method, params, query, body, out)
    }

    /// Appends the JSON of an answer in wire form to `out`. On an error `out` is as it was.
    pub fn decode_response(
        &self,
        method: &Method,
        wire: &[u8],
        fields: Option<&FieldSelection>,
        out: &mut Vec<u8>,
    ) -> Result<ResponseMeta, DecodeError> {
        response::decode(&self.schema, method, wire, fields, out)
    }

    /// The selection that `fields=list` means for the answers of a method; `None`: everything.
    pub fn select(&self, method: &Method, list: &str) -> Option<FieldSelection> {
        FieldSelection::parse(self.schema.messages.get(method.response.resource())?, list)
    }

    /// Appends the JSON of a message in wire form, e.g. of `globcrm.common.v1.ConflictDetail`, to `out`.
    pub fn transcode_message(
        &self,
        full_name: &str,
        wire: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        let id = self.schema.message(full_name);
        let id = id.ok_or_else(|| DecodeError::UnknownMessage(full_name.to_owned()))?;
        response::message(&self.schema, id, wire, out)
    }

    /// The OpenAPI 3.1 document, always the same bytes for the same descriptors.
    pub fn openapi(&self, info: &DocumentInfo<'_>) -> String {
        openapi::document(self, info)
    }
}
