use proto::common::v1::{CountKind, ShowDeleted};
use proto::records::v1::ListContactsRequest;

use super::{API, accepted, brief, compiled, expected, named, send};
use crate::{RequestError, Route};

fn refused(query: &str) -> Vec<(String, &'static str)> {
    match send(&API, "GET", &format!("/api/v1/contacts?{query}"), "") {
        Err(RequestError::Query(violations)) => brief(violations),
        other => panic!("{query}: {other:?}"),
    }
}

#[test]
fn parameters_fill_their_fields() {
    let query =
        "filter=last_name+%3D+%22M%C3%BCller%22&order_by=&page_size=200&show_deleted=only&count=exact&&";
    let request: ListContactsRequest = accepted("GET", &format!("/api/v1/contacts?{query}"), "");
    assert_eq!(request.filter, "last_name = \"Müller\"");
    assert_eq!(request.page_size, Some(200));
    assert_eq!(request.show_deleted, ShowDeleted::Only as i32);
    assert_eq!(request.count, CountKind::Exact as i32);
    let request: ListContactsRequest = accepted("GET", "/api/v1/contacts", "");
    assert_eq!(request, ListContactsRequest::default());
}

#[test]
fn everything_wrong_with_a_query_is_named() {
    let found =
        refused("nope=1&page_size=201&count=all&filter=%ff&order_by=a&order_by=b&page_token=%00&Filter=x");
    let wanted = [
        ("nope", "UNKNOWN_PARAMETER"),
        ("page_size", "OUT_OF_RANGE"),
        ("count", "ENUM_VALUE_UNKNOWN"),
        ("filter", "MALFORMED_PARAMETER"),
        ("order_by", "REPEATED_PARAMETER"),
        ("page_token", "NUL_CHARACTER"),
        ("Filter", "UNKNOWN_PARAMETER"),
    ];
    assert_eq!(found, expected(&wanted));
    for (query, reason) in [
        ("page_size=0", "OUT_OF_RANGE"),
        ("page_size=-1", "OUT_OF_RANGE"),
        ("page_size=", "TYPE_MISMATCH"),
        ("page_size", "TYPE_MISMATCH"),
        ("page_size=1e2", "TYPE_MISMATCH"),
        ("page_size=+5", "TYPE_MISMATCH"),
        ("page_size=99999999999", "OUT_OF_RANGE"),
        ("page_size=99999999999999999999", "OUT_OF_RANGE"),
        ("update_mask=x", "UNKNOWN_PARAMETER"),
        ("=x", "UNKNOWN_PARAMETER"),
    ] {
        let found = refused(query);
        assert_eq!(found.len(), 1, "{query}");
        assert_eq!(found[0].1, reason, "{query}");
    }
    let long = format!("order_by={}", "x".repeat(401));
    assert_eq!(refused(&long), expected(&[("order_by", "TOO_LONG")]));
}

#[test]
fn bodies_and_paths_leave_no_parameters() {
    let target = "/api/v1/contacts/1?id=2&contact=3&update_mask=4";
    let Err(RequestError::Query(violations)) = send(&API, "PATCH", target, "{}") else { panic!() };
    assert_eq!(violations.len(), 3);
}

#[test]
fn the_fields_parameter_becomes_a_selection() {
    let Route::Found { method, params } = API.route("GET", "/api/v1/contacts") else { panic!() };
    let meta = |query: &str| {
        let mut out = bytes::BytesMut::new();
        API.encode_request(method, &params, query, None, &mut out).unwrap().selection
    };
    assert_eq!(meta("fields=id,custom.tier"), API.select(method, "custom.tier,id"));
    assert!(meta("fields=id").is_some());
    assert_eq!(meta("fields="), None);
    assert_eq!(meta("fields=%20,"), None);
    assert_eq!(meta("page_size=1"), None);
}

#[test]
fn every_kind_of_parameter_is_read() {
    let api = compiled(
        r#"syntax = "proto3"; package test;
        import "google/api/annotations.proto"; import "google/protobuf/timestamp.proto";
        import "buf/validate/validate.proto";
        enum Color { COLOR_UNSPECIFIED = 0; COLOR_RED = 1; COLOR_BLUE = 2; }
        message Req { repeated string name = 1 [(buf.validate.field).repeated = {max_items: 2}];
          repeated Color color = 2; optional bool on = 3; double ratio = 4; uint64 big = 5; sint32 small = 6;
          google.protobuf.Timestamp at = 7; string must = 8 [(buf.validate.field).required = true]; }
        message Res { repeated string name = 1; repeated Color color = 2; optional bool on = 3; double ratio = 4;
          uint64 big = 5; sint32 small = 6; google.protobuf.Timestamp at = 7; string must = 8; }
        service S { rpc Get(Req) returns (Res) { option (google.api.http) = {get: "/x"}; } }"#,
    )
    .unwrap();
    let query = "name=a&name=b&color=red&color=blue&on=false&ratio=-2.5e1&big=7&small=-7&at=2026-01-01T00:00:00Z&must=1";
    let wire = send(&api, "GET", &format!("/x?{query}"), "").unwrap();
    let mut json = Vec::new();
    api.decode_response(named(&api, "Get"), &wire, None, &mut json).unwrap();
    assert_eq!(
        String::from_utf8(json).unwrap(),
        r#"{"name":["a","b"],"color":["red","blue"],"on":false,"ratio":-25.0,"big":7,"small":-7,"at":"2026-01-01T00:00:00Z","must":"1"}"#
    );
    let query = "name=a&name=b&name=c&on=1&ratio=inf&big=-1&at=now";
    let Err(RequestError::Query(violations)) = send(&api, "GET", &format!("/x?{query}"), "") else {
        panic!()
    };
    let wanted = [
        ("on", "TYPE_MISMATCH"),
        ("ratio", "TYPE_MISMATCH"),
        ("big", "OUT_OF_RANGE"),
        ("at", "TIMESTAMP_INVALID"),
        ("name", "TOO_MANY_ITEMS"),
        ("must", "REQUIRED"),
    ];
    assert_eq!(brief(violations), expected(&wanted));
}
