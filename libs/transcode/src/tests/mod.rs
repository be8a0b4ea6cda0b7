//! Tests over the real descriptors, and over small protos compiled here.

mod all_types;
mod check;
mod compile;
mod document;
mod entropy;
mod hostile;
mod oracle;
mod patch;
mod query;
mod request;
mod response;
mod routes;
mod violations;

use std::sync::LazyLock;

use bytes::BytesMut;
use prost::Message;

use crate::{Api, CompileError, Method, RequestError, Route, Violation};

static API: LazyLock<Api> = LazyLock::new(|| Api::compile(proto::DESCRIPTORS).unwrap());

/// The first binding of an RPC.
fn method(rpc: &str) -> &'static Method {
    named(&API, rpc)
}

fn named<'a>(api: &'a Api, rpc: &str) -> &'a Method {
    api.methods().iter().find(|method| method.rpc == rpc).unwrap()
}

/// Sends a request through route and encoder.
fn send(api: &Api, verb: &str, target: &str, body: &str) -> Result<BytesMut, RequestError> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Route::Found { method, params } = api.route(verb, path) else { panic!("no route to {verb} {path}") };
    let mut out = BytesMut::from(&b"before"[..]);
    let result = api.encode_request(method, &params, query, Some(body.as_bytes()), &mut out);
    assert_eq!(&out[..6], b"before");
    match result {
        Ok(_) => Ok(out.split_off(6)),
        Err(error) => {
            assert_eq!(out.len(), 6, "a refused request leaves nothing behind");
            Err(error)
        }
    }
}

/// Sends a request that must be accepted.
fn accepted<M: Message + Default>(verb: &str, target: &str, body: &str) -> M {
    match send(&API, verb, target, body) {
        Ok(wire) => M::decode(&wire[..]).unwrap(),
        Err(error) => panic!("{verb} {target} {body}: {error:?}"),
    }
}

/// Sends a body that must be refused as invalid; place and reason of each violation.
fn invalid(verb: &str, target: &str, body: &str) -> Vec<(String, &'static str)> {
    match send(&API, verb, target, body) {
        Err(RequestError::Invalid(violations)) => brief(violations),
        other => panic!("{verb} {target} {body}: {other:?}"),
    }
}

fn brief(violations: Vec<Violation>) -> Vec<(String, &'static str)> {
    violations.into_iter().map(|v| (v.place, v.reason.as_str())).collect()
}

fn expected(pairs: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    pairs.iter().map(|(place, reason)| ((*place).to_owned(), *reason)).collect()
}

/// Compiles one proto text against the house's protos.
fn descriptors_of(text: &str) -> Vec<u8> {
    use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver};
    struct Inline(String);
    impl FileResolver for Inline {
        fn open_file(&self, name: &str) -> Result<File, protox::Error> {
            if name == "test.proto" {
                return File::from_source(name, &self.0);
            }
            Err(protox::Error::file_not_found(name))
        }
    }
    let mut resolver = ChainFileResolver::new();
    resolver.add(Inline(text.to_owned()));
    resolver.add(IncludeFileResolver::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto").into()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file("test.proto").unwrap();
    compiler.encode_file_descriptor_set()
}

fn compiled(text: &str) -> Result<Api, CompileError> {
    Api::compile(&descriptors_of(text))
}
