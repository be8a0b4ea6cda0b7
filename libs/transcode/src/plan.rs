//! Methods: the descriptors' services compiled into routes, request plans and response plans.

use proto::common::v1::{Idempotency, MethodPolicy, RateClass};
use proto::descriptor::{FileDescriptorSet, MethodDescriptor};
use proto::google_api::HttpRule;
use proto::google_api::http_rule::Pattern;

use crate::docs::Docs;
use crate::location::{Location, Text};
use crate::router::{PathParams, RouteError, Router, Verb};
use crate::schema::{Kind, MessageId, Schema, Shape};

/// Why the descriptors cannot be served; found at start-up, never later.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The bytes are no descriptor set.
    #[error("the descriptor set cannot be read")]
    Descriptors(#[from] prost::DecodeError),
    /// An option or type of a field cannot be served.
    #[error("{message}.{field}: {what}")]
    Field {
        /// Full name of the message.
        message: String,
        /// The field's name.
        field: String,
        /// What cannot be served.
        what: String,
    },
    /// An option of a method cannot be served.
    #[error("{method}: {what}")]
    Method {
        /// `/package.Service/Method`.
        method: String,
        /// What cannot be served.
        what: String,
    },
}

/// One REST binding of one RPC.
#[derive(Debug)]
pub struct Method {
    /// `/globcrm.records.v1.RecordsService/CreateContact`: the path of the gRPC call.
    pub full_name: String,
    /// `globcrm.records.v1.RecordsService`.
    pub service: String,
    /// `CreateContact`.
    pub rpc: String,
    /// The HTTP method.
    pub verb: Verb,
    /// `/api/v1/contacts/{id}:restore`.
    pub path: String,
    /// Callable without credentials.
    pub public: bool,
    /// `<object>.<action>`; `None`: any authenticated principal (if not public).
    pub permission: Option<String>,
    /// The HTTP status of success; at 204 the answer's JSON is not sent.
    pub success_status: u16,
    /// The answer holds a secret: it must not be stored, and `Idempotency-Key` is refused.
    pub secret_answer: bool,
    /// Never unspecified: READ for GET and WRITE otherwise unless the policy says more.
    pub rate_class: RateClass,
    /// `Idempotency-Key` is honoured.
    pub idempotent: bool,
    /// `If-Match` is honoured.
    pub conditional: bool,
    /// The bodies are raw bytes, see [`crate::stream`]: of the request if [`Self::client_streaming`], of the answer
    /// if [`Self::server_streaming`].
    pub byte_stream: bool,
    /// The request is a stream.
    pub client_streaming: bool,
    /// The answer is a stream.
    pub server_streaming: bool,
    /// A parameter of the path is a secret: the path must not be logged.
    pub has_secret_path: bool,
    /// Which parameter of the path that is, by its place.
    pub(crate) secret_at: Option<usize>,
    pub(crate) request: RequestPlan,
    pub(crate) response: ResponsePlan,
    pub(crate) doc: String,
}

impl Method {
    /// Whether a JSON body belongs to the request.
    pub(crate) fn takes_json(&self) -> bool {
        !matches!(self.request.body, Body::None)
    }

    /// The secret in a path of this method.
    pub fn secret_of<'a>(&self, params: &'a PathParams<'_>) -> Option<&'a str> {
        params.get(self.secret_at?)
    }

    /// Names of the path parameters, in order.
    #[cfg(test)]
    pub(crate) fn path_parameters(&self) -> impl Iterator<Item = &str> {
        self.request.path_names.iter().map(String::as_str)
    }
}

/// How a request message is filled.
#[derive(Debug)]
pub(crate) struct RequestPlan {
    pub(crate) message: MessageId,
    /// Fields bound by the path, in its order, with the names the path gives them.
    pub(crate) path: Vec<usize>,
    pub(crate) path_names: Vec<String>,
    /// Fields that are query parameters.
    pub(crate) query: Vec<usize>,
    pub(crate) body: Body,
    /// The `update_mask`, filled from the members sent.
    pub(crate) update_mask: Option<usize>,
    /// The body is a merge patch (RFC 7396).
    pub(crate) merges: bool,
    /// The query parameter `fields`.
    pub(crate) selection: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    None,
    /// The body is this field.
    Field {
        field: usize,
        message: MessageId,
    },
    /// The body is the request without what the path binds.
    Whole,
}

/// How an answer becomes JSON.
#[derive(Debug)]
pub(crate) struct ResponsePlan {
    pub(crate) message: MessageId,
    /// The field that is the body, with its message; the whole answer otherwise.
    pub(crate) body: Option<(usize, MessageId)>,
    /// The list of a list answer: the first repeated message field of a whole answer.
    pub(crate) list: Option<(usize, MessageId)>,
    /// `id` and `version` of the body.
    pub(crate) id: Option<usize>,
    pub(crate) version: Option<usize>,
    pub(crate) location: Option<Location>,
}

impl ResponsePlan {
    /// The message printed as the body.
    pub(crate) fn printed(&self) -> MessageId {
        self.body.map_or(self.message, |(_, message)| message)
    }

    /// The message that `fields=` selects from.
    pub(crate) fn resource(&self) -> MessageId {
        self.list.map_or_else(|| self.printed(), |(_, message)| message)
    }
}

/// All REST bindings and their router.
pub(crate) fn compile(
    set: &FileDescriptorSet,
    schema: &Schema,
) -> Result<(Vec<Method>, Router), CompileError> {
    let mut methods = Vec::new();
    let mut router = Router::default();
    for file in &set.file {
        let docs = Docs::of(file);
        for (s, service) in file.service.iter().enumerate() {
            let service_name = format!("{}.{}", file.package, service.name);
            for (m, descriptor) in service.method.iter().enumerate() {
                let full_name = format!("/{service_name}/{}", descriptor.name);
                let doc = docs.get(&[6, s as i32, 2, m as i32]);
                let fail = |what: String| CompileError::Method { method: full_name.clone(), what };
                for rule in bindings(descriptor).map_err(fail)? {
                    let method = method(schema, &service_name, descriptor, rule, &doc).map_err(fail)?;
                    router
                        .insert(method.verb, &method.path, methods.len())
                        .map_err(|error| fail(route_error(error, &method, &methods)))?;
                    methods.push(method);
                }
            }
        }
    }
    Ok((methods, router))
}

fn route_error(error: RouteError, method: &Method, methods: &[Method]) -> String {
    match error {
        RouteError::Template(what) => format!("the path `{}`: {what}", method.path),
        RouteError::Taken(other) => {
            let other = methods.get(other).map_or("another method", |m| m.full_name.as_str());
            format!("{} {} is ambiguous with {other}", method.verb, method.path)
        }
    }
}

/// The rule of a method and its additional ones; none for methods without a REST path.
fn bindings(method: &MethodDescriptor) -> Result<Vec<&HttpRule>, String> {
    let Some(options) = &method.options else { return Ok(Vec::new()) };
    let Some(rule) = &options.http else { return Ok(Vec::new()) };
    if options.policy.as_ref().is_some_and(|policy| policy.internal) {
        return Err("an internal method has no REST path".to_owned());
    }
    if rule.additional_bindings.iter().any(|rule| !rule.additional_bindings.is_empty()) {
        return Err("additional bindings do not nest".to_owned());
    }
    Ok(std::iter::once(rule).chain(&rule.additional_bindings).collect())
}

fn method(
    schema: &Schema,
    service: &str,
    descriptor: &MethodDescriptor,
    rule: &HttpRule,
    doc: &str,
) -> Result<Method, String> {
    let (verb, path) = match &rule.pattern {
        Some(Pattern::Get(path)) => (Verb::Get, path),
        Some(Pattern::Put(path)) => (Verb::Put, path),
        Some(Pattern::Post(path)) => (Verb::Post, path),
        Some(Pattern::Delete(path)) => (Verb::Delete, path),
        Some(Pattern::Patch(path)) => (Verb::Patch, path),
        Some(Pattern::Custom(_)) => return Err("custom verbs are not served".to_owned()),
        None => return Err("the rule has no path".to_owned()),
    };
    let policy = descriptor.options.as_ref().and_then(|o| o.policy.clone()).unwrap_or_default();
    check_streams(schema, descriptor, &policy)?;
    let byte_body = policy.byte_stream && descriptor.client_streaming;
    let request = request_plan(schema, &descriptor.input_type, rule, verb, path, byte_body)?;
    let response = response_plan(schema, &descriptor.output_type, rule, &policy.location)?;
    let idempotent = policy.idempotency == Idempotency::Keyed as i32;
    if idempotent && (policy.secret_answer || verb != Verb::Post) {
        return Err("only a POST without a secret answer can keep its answers".to_owned());
    }
    if policy.conditional && verb == Verb::Get {
        return Err("only a change is conditional".to_owned());
    }
    if !policy.conditional && verb == Verb::Patch && response.version.is_some() {
        return Err("a PATCH of what has a version is conditional".to_owned());
    }
    if policy.public && !policy.permission.is_empty() {
        return Err("a public method asks for no permission".to_owned());
    }
    let fields = &schema.messages[request.message].fields;
    let secret_at = request.path.iter().position(|at| fields[*at].secret);
    Ok(Method {
        full_name: format!("/{service}/{}", descriptor.name),
        service: service.to_owned(),
        rpc: descriptor.name.clone(),
        verb,
        path: path.clone(),
        public: policy.public,
        permission: Some(policy.permission.clone()).filter(|p| !p.is_empty()),
        success_status: success_status(policy.success_status)?,
        secret_answer: policy.secret_answer,
        rate_class: match RateClass::try_from(policy.rate_class) {
            Ok(RateClass::Unspecified) if verb == Verb::Get => RateClass::Read,
            Ok(RateClass::Unspecified) => RateClass::Write,
            Ok(class) => class,
            Err(_) => return Err("the rate class is unknown".to_owned()),
        },
        idempotent,
        conditional: policy.conditional,
        byte_stream: policy.byte_stream,
        client_streaming: descriptor.client_streaming,
        server_streaming: descriptor.server_streaming,
        has_secret_path: secret_at.is_some(),
        secret_at,
        request,
        response,
        doc: doc.to_owned(),
    })
}

fn success_status(status: i32) -> Result<u16, String> {
    match u16::try_from(status) {
        Ok(0) => Ok(200),
        Ok(status @ 200..=299) => Ok(status),
        _ => Err("the status of success is not one".to_owned()),
    }
}

/// A stream is one of bytes, in one direction.
fn check_streams(schema: &Schema, method: &MethodDescriptor, policy: &MethodPolicy) -> Result<(), String> {
    let streamed = match (method.client_streaming, method.server_streaming) {
        (false, false) if policy.byte_stream => return Err("a byte stream must be a stream".to_owned()),
        (false, false) => return Ok(()),
        (true, true) => return Err("a stream in both directions has no REST form".to_owned()),
        (true, false) => &method.input_type,
        (false, true) => &method.output_type,
    };
    if !policy.byte_stream {
        return Err("only byte streams have a REST form".to_owned());
    }
    let message = &schema.messages[find(schema, streamed)?];
    let has = |name: &str, number: u32, kind: Kind| {
        message.fields.iter().any(|f| &*f.name == name && f.number == number && f.kind == kind)
    };
    if has("content_type", 1, Kind::String) && has("data", 2, Kind::Bytes) {
        return Ok(());
    }
    Err("the message of a byte stream is `{string content_type = 1; bytes data = 2;}`".to_owned())
}

pub(crate) fn find(schema: &Schema, type_name: &str) -> Result<MessageId, String> {
    let name = type_name.trim_start_matches('.');
    schema.message(name).ok_or_else(|| format!("the message `{name}` is not served"))
}

fn request_plan(
    schema: &Schema,
    input: &str,
    rule: &HttpRule,
    verb: Verb,
    path: &str,
    byte_body: bool,
) -> Result<RequestPlan, String> {
    let id = find(schema, input)?;
    let message = &schema.messages[id];
    let path_names = crate::router::parameters(path);
    let mut bound = Vec::new();
    for name in &path_names {
        let at = message.by_name(name).ok_or_else(|| format!("the path parameter `{name}` is no field"))?;
        let field = &message.fields[at];
        if field.kind != Kind::String || !matches!(field.shape, Shape::Implicit | Shape::Explicit) {
            return Err(format!("the path parameter `{name}` is no string"));
        }
        if bound.contains(&at) {
            return Err(format!("the path parameter `{name}` stands twice"));
        }
        bound.push(at);
    }
    let body = match rule.body.as_str() {
        _ if byte_body => Body::None,
        "" => Body::None,
        "*" => Body::Whole,
        name => {
            let field = message.by_name(name).ok_or_else(|| format!("the body `{name}` is no field"))?;
            match (message.fields[field].kind, message.fields[field].shape) {
                (Kind::Message(message), Shape::Explicit) => Body::Field { field, message },
                _ => return Err(format!("the body `{name}` is no message")),
            }
        }
    };
    if matches!(verb, Verb::Get | Verb::Delete) && body != Body::None {
        return Err(format!("{verb} has no body"));
    }
    let mask = message.fields.iter().position(|field| field.kind == Kind::FieldMask);
    match (mask, verb) {
        (Some(at), Verb::Patch | Verb::Post) if &*message.fields[at].name == "update_mask" => {}
        (None, _) => {}
        _ => return Err("a field mask is served as the `update_mask` of a PATCH or POST only".to_owned()),
    }
    let mut query = Vec::new();
    for (at, field) in message.fields.iter().enumerate() {
        let is_body = matches!(body, Body::Field { field, .. } if field == at);
        if bound.contains(&at) || is_body || Some(at) == mask || body == Body::Whole || byte_body {
            continue;
        }
        let served = match field.kind {
            Kind::Message(_) | Kind::FieldMask | Kind::Bytes | Kind::JsonObject | Kind::JsonValue => false,
            _ => field.shape != Shape::Map && !field.in_oneof && !field.output_only,
        };
        if !served {
            return Err(format!("the field `{}` can be no query parameter", field.name));
        }
        query.push(at);
    }
    let mut seen = Vec::new();
    match body {
        Body::None => {}
        Body::Whole => check_writable(schema, id, mask, &mut seen)?,
        Body::Field { message, .. } => check_writable(schema, message, None, &mut seen)?,
    }
    let is_selection = |at: &&usize| {
        let field = &message.fields[**at];
        &*field.name == "fields" && field.kind == Kind::String && field.shape == Shape::Implicit
    };
    let selection = query.iter().find(is_selection).copied();
    let merges = mask.is_some() && verb == Verb::Patch;
    Ok(RequestPlan {
        message: id,
        path: bound,
        path_names,
        query,
        body,
        update_mask: mask,
        merges,
        selection,
    })
}

/// Everything a body can hold must be writable from JSON.
fn check_writable(
    schema: &Schema,
    id: MessageId,
    mask: Option<usize>,
    seen: &mut Vec<MessageId>,
) -> Result<(), String> {
    if seen.contains(&id) {
        return Ok(());
    }
    seen.push(id);
    let message = &schema.messages[id];
    for (at, field) in message.fields.iter().enumerate() {
        if field.output_only || Some(at) == mask {
            continue;
        }
        let place = || format!("`{}.{}`", message.full_name, field.name);
        if field.in_oneof {
            return Err(format!("{}: a `oneof` cannot be sent", place()));
        }
        match field.kind {
            Kind::FieldMask => return Err(format!("{}: a field mask cannot be sent", place())),
            Kind::Message(inner) => check_writable(schema, inner, None, seen)?,
            _ => {}
        }
    }
    Ok(())
}

fn response_plan(
    schema: &Schema,
    output: &str,
    rule: &HttpRule,
    location: &str,
) -> Result<ResponsePlan, String> {
    let id = find(schema, output)?;
    let message = &schema.messages[id];
    let body = match rule.response_body.as_str() {
        "" => None,
        name => {
            let at =
                message.by_name(name).ok_or_else(|| format!("the response body `{name}` is no field"))?;
            match (message.fields[at].kind, message.fields[at].shape) {
                (Kind::Message(inner), Shape::Explicit) => Some((at, inner)),
                _ => return Err(format!("the response body `{name}` is no message")),
            }
        }
    };
    let list = message.fields.iter().enumerate().find_map(|(at, field)| match (field.kind, field.shape) {
        (Kind::Message(inner), Shape::Repeated) if body.is_none() => Some((at, inner)),
        _ => None,
    });
    let printed = &schema.messages[body.map_or(id, |(_, inner)| inner)];
    let singular = |name: &str, kind: Kind| {
        let at = printed.by_name(name)?;
        let field = &printed.fields[at];
        (field.kind == kind && field.shape != Shape::Repeated).then_some(at)
    };
    let location = match location {
        "" => None,
        template => Some(Location::compile(template, |name| {
            let Some((outer, inner)) = name.split_once('.') else {
                return singular(name, Kind::String).map(|at| Text { at, within: None });
            };
            let at = printed.by_name(outer)?;
            let field = &printed.fields[at];
            let (Kind::Message(of), Shape::Explicit) = (field.kind, field.shape) else { return None };
            let of = &schema.messages[of];
            let text = &of.fields[of.by_name(inner)?];
            let is_text = text.kind == Kind::String && text.shape != Shape::Repeated;
            is_text.then_some(Text { at, within: Some(text.number) })
        })?),
    };
    Ok(ResponsePlan {
        message: id,
        body,
        list,
        id: singular("id", Kind::String),
        version: singular("version", Kind::Int64),
        location,
    })
}
