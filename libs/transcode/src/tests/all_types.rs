//! Every scalar type, list, map and nesting of protobuf, beside the oracle.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::oracle::{Oracle, answer_matches, request_matches};
use super::{compiled, descriptors_of, expected, send};
use crate::{Api, RequestError};

const PROTO: &str = r#"syntax = "proto3"; package test.v1;
import "google/api/annotations.proto"; import "google/protobuf/timestamp.proto";
import "globcrm/common/v1/options.proto"; import "buf/validate/validate.proto";
enum Color { COLOR_UNSPECIFIED = 0; COLOR_RED = 1; COLOR_DARK_BLUE = 5; OTHER = -1; }
message All {
  double f_double = 101; float f_float = 2; int32 f_int32 = 3; int64 f_int64 = 4; uint32 f_uint32 = 5;
  uint64 f_uint64 = 6; sint32 f_sint32 = 7; sint64 f_sint64 = 8; fixed32 f_fixed32 = 9; fixed64 f_fixed64 = 10;
  sfixed32 f_sfixed32 = 11; sfixed64 f_sfixed64 = 12; bool f_bool = 13; string f_string = 14; bytes f_bytes = 15;
  Color f_enum = 16; All f_message = 17; google.protobuf.Timestamp f_time = 18;
  bytes f_json = 19 [(globcrm.common.v1.field).json = JSON_KIND_VALUE];
  optional double o_double = 21; optional int64 o_int64 = 24; optional bool o_bool = 33; optional string o_string = 34;
  optional bytes o_bytes = 35; optional Color o_enum = 36;
  repeated double r_double = 41; repeated float r_float = 42; repeated int32 r_int32 = 43; repeated int64 r_int64 = 44;
  repeated uint32 r_uint32 = 45; repeated uint64 r_uint64 = 46; repeated sint32 r_sint32 = 47;
  repeated sint64 r_sint64 = 48; repeated fixed32 r_fixed32 = 49; repeated fixed64 r_fixed64 = 50;
  repeated sfixed32 r_sfixed32 = 51; repeated sfixed64 r_sfixed64 = 52; repeated bool r_bool = 53;
  repeated string r_string = 54; repeated bytes r_bytes = 55; repeated Color r_enum = 56; repeated All r_message = 57;
  repeated google.protobuf.Timestamp r_time = 58; repeated int32 unpacked = 59 [packed = false];
  map<string, string> m_string = 61; map<string, int64> m_int64 = 62; map<string, All> m_message = 63;
  map<string, Color> m_enum = 64; map<string, bool> m_bool = 65; map<string, google.protobuf.Timestamp> m_time = 66;
  message Inner { string x = 1; }
  Inner inner = 70;
}
message Request { All all = 1; }
message Response { All all = 1; }
message LimitsRequest {
  double ratio = 1 [(buf.validate.field).double = {gte: 0.5, lte: 1}];
  bytes data = 2 [(buf.validate.field).bytes.max_len = 3];
  repeated int32 n = 3 [(buf.validate.field).repeated = {unique: true, items: {int32: {gte: 1}}}];
  map<string, int32> m = 4 [(buf.validate.field).map = {keys: {string: {min_len: 2}}, values: {int32: {lte: 9}}}];
  repeated string ids = 5 [(buf.validate.field).repeated.items.string.uuid = true];
  All.Inner inner = 6 [(buf.validate.field).required = true];
  repeated Color colors = 7 [(buf.validate.field) = {required: true, repeated: {unique: true}}];
  float small = 8;
  uint32 u = 9;
}
message LimitsResponse {}
service Service {
  rpc Create(Request) returns (Response) { option (google.api.http) = {post: "/v1/all" body: "all" response_body: "all"}; }
  rpc Limits(LimitsRequest) returns (LimitsResponse) { option (google.api.http) = {post: "/v1/limits" body: "*"}; }
}"#;

static API: LazyLock<Api> = LazyLock::new(|| compiled(PROTO).unwrap());
static ORACLE: LazyLock<Oracle> = LazyLock::new(|| Oracle::new(&descriptors_of(PROTO)));

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_of_every_type_match(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        answer_matches(&API, &ORACLE, "test.v1.All", &bytes);
    }

    #[test]
    fn requests_of_every_type_match(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        request_matches(&API, &ORACLE, "Create", &bytes);
    }
}

fn limits(body: &str) -> Vec<(String, &'static str)> {
    match send(&API, "POST", "/v1/limits", body) {
        Err(RequestError::Invalid(violations)) => super::brief(violations),
        Ok(_) => Vec::new(),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn every_rule_is_enforced() {
    let fine = r#"{"ratio":0.5,"data":"AQID","n":[1,2],"m":{"ab":9},"ids":[],"inner":{},"colors":["red"]}"#;
    assert_eq!(limits(fine), expected(&[]));
    let missing = [("/ratio", "OUT_OF_RANGE"), ("/inner", "REQUIRED"), ("/colors", "REQUIRED")];
    assert_eq!(limits("{}"), expected(&missing));
    assert_eq!(limits(r#"{"ratio":null,"inner":null,"colors":null}"#), expected(&missing));
    let found = limits(
        r#"{"ratio":1.01,"data":"AQIDBA==","n":[1,0,2,1],"m":{"a":10,"bc":1.5},"ids":["x"],"inner":{"y":1},
            "colors":["red","other","red","unspecified"],"small":1e39,"u":-1}"#,
    );
    let wanted = [
        ("/ratio", "OUT_OF_RANGE"),
        ("/data", "TOO_LONG"),
        ("/n/1", "OUT_OF_RANGE"),
        ("/n/3", "REPEATED"),
        ("/m/a", "TOO_SHORT"),
        ("/m/a", "OUT_OF_RANGE"),
        ("/m/bc", "TYPE_MISMATCH"),
        ("/ids/0", "UUID_INVALID"),
        ("/inner/y", "UNKNOWN_FIELD"),
        ("/colors/3", "ENUM_VALUE_UNKNOWN"),
        ("/colors/2", "REPEATED"),
        ("/small", "OUT_OF_RANGE"),
        ("/u", "OUT_OF_RANGE"),
    ];
    assert_eq!(found, expected(&wanted));
    assert_eq!(limits(r#"{"ratio":1,"inner":{},"colors":[]}"#), expected(&[("/colors", "REQUIRED")]));
    let found = limits(r#"{"ratio":1,"inner":{},"colors":["red"],"data":"A*"}"#);
    assert_eq!(found, expected(&[("/data", "BASE64_INVALID")]));
    let found = limits(r#"{"ratio":"1","inner":[],"colors":"red","n":{},"m":[],"data":1}"#);
    assert_eq!(found.len(), 6);
    assert!(found.iter().all(|(_, reason)| *reason == "TYPE_MISMATCH"), "{found:?}");
}

#[test]
fn numbers_that_are_not_finite_are_null() {
    let mut wire = bytes::BytesMut::new();
    crate::wire::put_tag(&mut wire, 101, crate::wire::I64);
    wire.extend_from_slice(&f64::NAN.to_le_bytes());
    crate::wire::put_tag(&mut wire, 2, crate::wire::I32);
    wire.extend_from_slice(&f32::INFINITY.to_le_bytes());
    let mut out = Vec::new();
    API.transcode_message("test.v1.All", &wire, &mut out).unwrap();
    assert!(out.starts_with(br#"{"f_double":null,"f_float":null,"f_int32":0,"#));
}

#[test]
fn messages_nest_to_a_limit() {
    let nested = |depth: usize| {
        (0..depth).fold(Vec::new(), |inner, _| {
            let mut wire = bytes::BytesMut::new();
            crate::wire::put_field(&mut wire, 17, &inner);
            wire.to_vec()
        })
    };
    API.transcode_message("test.v1.All", &nested(31), &mut Vec::new()).unwrap();
    let error = API.transcode_message("test.v1.All", &nested(32), &mut Vec::new());
    assert_eq!(error, Err(crate::DecodeError::Depth));
}
