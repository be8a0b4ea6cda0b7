use super::compiled;
use crate::CompileError;

const HEAD: &str = r#"syntax = "proto3"; package t;
import "google/api/annotations.proto"; import "google/api/field_behavior.proto";
import "google/protobuf/field_mask.proto"; import "google/protobuf/any.proto";
import "globcrm/common/v1/options.proto"; import "buf/validate/validate.proto";
message Inner { string id = 1; int64 version = 2; }
message Res { Inner inner = 1; repeated Inner list = 2; string id = 3; }
message Chunk { string content_type = 1; bytes data = 2; }
"#;

/// Compiles a request message and a method of it.
fn refusal(request: &str, method: &str) -> String {
    let text = format!("{HEAD} message Req {{ {request} }} service S {{ rpc Do{method} }}");
    compiled(&text).map(|_| ()).unwrap_err().to_string()
}

/// A method that takes and gives single messages, with these options.
fn unary(http: &str, policy: &str) -> String {
    let policy = if policy.is_empty() {
        String::new()
    } else {
        format!("option (globcrm.common.v1.method) = {{{policy}}};")
    };
    format!("(Req) returns (Res) {{ option (google.api.http) = {{{http}}}; {policy} }}")
}

#[test]
fn what_cannot_be_served_stops_the_start_and_is_named() {
    for (request, http, policy, what) in [
        ("string id = 1;", r#"get: "/x/{nope}""#, "", "the path parameter `nope` is no field"),
        ("int32 id = 1;", r#"get: "/x/{id}""#, "", "the path parameter `id` is no string"),
        ("string id = 1;", r#"get: "/x/{id}/{id}""#, "", "stands twice"),
        ("string id = 1;", r#"get: "/x/{id=a/*}""#, "", "the path parameter"),
        ("string id = 1;", r#"get: "x""#, "", "must begin with `/`"),
        ("string id = 1;", r#"post: "/x" body: "nope""#, "", "the body `nope` is no field"),
        ("string id = 1;", r#"post: "/x" body: "id""#, "", "the body `id` is no message"),
        ("string id = 1;", r#"get: "/x" body: "*""#, "", "GET has no body"),
        ("string id = 1;", r#"get: "/x" response_body: "nope""#, "", "the response body `nope` is no field"),
        (
            "string id = 1;",
            r#"get: "/x" response_body: "list""#,
            "",
            "the response body `list` is no message",
        ),
        ("string id = 1;", r#"custom: {kind: "HEAD" path: "/x"}"#, "", "custom verbs"),
        ("string id = 1;", r#"selector: "x""#, "", "has no path"),
        ("Inner inner = 1;", r#"get: "/x""#, "", "`inner` can be no query parameter"),
        ("map<string, string> m = 1;", r#"get: "/x""#, "", "`m` can be no query parameter"),
        (
            "google.protobuf.FieldMask update_mask = 1;",
            r#"put: "/x" body: "*""#,
            "",
            "`update_mask` of a PATCH or POST only",
        ),
        (
            "google.protobuf.FieldMask mask = 1;",
            r#"patch: "/x" body: "*""#,
            "",
            "`update_mask` of a PATCH or POST only",
        ),
        (
            "oneof a { string b = 1; string c = 2; }",
            r#"post: "/x" body: "*""#,
            "",
            "a `oneof` cannot be sent",
        ),
        ("string id = 1;", r#"get: "/x""#, "internal: true", "an internal method has no REST path"),
        ("string id = 1;", r#"get: "/x""#, "success_status: 404", "the status of success is not one"),
        ("string id = 1;", r#"get: "/x""#, r#"location: "/x/{nope}""#, "the location's `nope`"),
        ("string id = 1;", r#"get: "/x""#, "idempotency: IDEMPOTENCY_KEYED", "only a POST"),
        (
            "string id = 1;",
            r#"post: "/x""#,
            "idempotency: IDEMPOTENCY_KEYED secret_answer: true",
            "only a POST",
        ),
        ("string id = 1;", r#"get: "/x""#, "conditional: true", "only a change"),
        ("string id = 1;", r#"get: "/x""#, r#"public: true permission: "a.b""#, "asks for no permission"),
        ("string id = 1;", r#"get: "/x""#, "byte_stream: true", "must be a stream"),
        (
            "string id = 1;",
            r#"get: "/x" additional_bindings {get: "/x"}"#,
            "",
            "GET /x is ambiguous with /t.S/Do",
        ),
    ] {
        let text = refusal(request, &unary(http, policy));
        assert!(text.starts_with("/t.S/Do: ") && text.contains(what), "{text}");
    }
}

#[test]
fn streams_are_byte_streams_in_one_direction() {
    let http = r#"option (google.api.http) = {get: "/x"};"#;
    let bytes = "option (globcrm.common.v1.method) = {byte_stream: true};";
    let refused =
        |types: &str, policy: &str| refusal("string id = 1;", &format!("{types} {{ {http} {policy} }}"));
    assert!(refused("(Req) returns (stream Chunk)", "").contains("only byte streams"));
    assert!(refused("(stream Chunk) returns (stream Chunk)", bytes).contains("both directions"));
    assert!(refused("(Req) returns (stream Inner)", bytes).contains("the message of a byte stream"));
    assert!(refused("(stream Req) returns (Res)", bytes).contains("the message of a byte stream"));
}

#[test]
fn rules_and_options_must_fit_their_field() {
    for (field, what) in [
        ("string f = 1 [(buf.validate.field).int32.gte = 1];", "does not fit"),
        ("int64 f = 1 [(buf.validate.field).int32.gte = 1];", "does not fit"),
        ("repeated string f = 1 [(buf.validate.field).string.max_len = 1];", "not one of lists or maps"),
        ("string f = 1 [(buf.validate.field).repeated.max_items = 1];", "does not fit"),
        ("repeated string f = 1 [(buf.validate.field).repeated.items.int32.gte = 1];", "does not fit"),
        ("map<string, string> f = 1 [(buf.validate.field).map.values.int32.gte = 1];", "does not fit"),
        ("map<int32, string> f = 1;", "keys of a map"),
        ("string f = 1 [(globcrm.common.v1.field).json = JSON_KIND_VALUE];", "only `bytes` can hold JSON"),
        ("google.protobuf.Any f = 1;", "`google.protobuf.Any` is not served"),
        (
            "string f = 1 [(google.api.field_behavior) = OUTPUT_ONLY, (google.api.field_behavior) = INPUT_ONLY];",
            "both output-only and input-only",
        ),
    ] {
        let text = refusal(field, &unary(r#"post: "/x" body: "*""#, ""));
        assert!(text.starts_with("t.Req.f: ") && text.contains(what), "{text}");
    }
}

#[test]
fn a_rule_that_is_not_enforced_is_found() {
    // A set whose field has `string.pattern` (number 6), which our buf.validate does not define.
    let set = super::descriptors_of(&format!(
        "{HEAD} message Req {{ message Deep {{ string f = 1 [(buf.validate.field).string.max_len = 7]; }} }}"
    ));
    let known = [0x72, 0x02, 0x18, 0x07];
    let at = set.windows(4).position(|window| window == known).unwrap();
    let mut unknown = set.clone();
    unknown[at + 2] = 0x30;
    assert!(crate::Api::compile(&set).is_ok());
    let Err(CompileError::Field { message, field, .. }) = crate::Api::compile(&unknown) else { panic!() };
    assert_eq!((message.as_str(), field.as_str()), ("t.Req.Deep", "f"));
}

#[test]
fn bytes_that_are_no_descriptor_set_are_refused() {
    assert!(matches!(crate::Api::compile(&[1, 2, 3]), Err(CompileError::Descriptors(_))));
}

#[test]
fn additional_bindings_are_methods_of_their_own() {
    let text = format!(
        "{HEAD} message Req {{ string id = 1; Inner inner = 2; }} service S {{ rpc Do{} }}",
        unary(
            r#"post: "/a/{id}" body: "inner" additional_bindings {put: "/b" body: "*" response_body: "inner"}"#,
            r#"location: "/x/{id}""#
        )
    );
    let api = compiled(&text).unwrap();
    let paths: Vec<String> = api.methods().iter().map(|m| format!("{} {}", m.verb, m.path)).collect();
    assert_eq!(paths, ["POST /a/{id}", "PUT /b"]);
    assert!(super::send(&api, "PUT", "/b", r#"{"id":"1","inner":{"id":"2"}}"#).is_ok());
    assert!(super::send(&api, "POST", "/a/1", r#"{"version":2}"#).is_ok());
}
