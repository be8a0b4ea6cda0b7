//! Arbitrary input in either direction ends in an answer or an error.

use bytes::BytesMut;
use proptest::prelude::*;

use super::{API, method};
use crate::{PathParams, Route};

fn json_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = proptest::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u",
        "\\ud83d",
        "\\ude00",
        "\\u0000",
        "d800",
        "null",
        "true",
        "false",
        "-",
        "1",
        "0",
        ".5",
        "e9",
        "e999",
        " ",
        "\n",
        "\"first_name\"",
        "\"custom\"",
        "\"emails\"",
        "\"tags\"",
        "\"external_ids\"",
        "\"address\"",
        "\"score\"",
        "\"lifecycle\"",
        "\"id\"",
        "\"created_at\"",
        "\"a\"",
        "é",
        "\u{0}",
    ]);
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat().into_bytes())
}

fn send(body: &[u8], query: &str) {
    for method in API.methods() {
        let params = PathParams(vec!["x".into(); method.path_parameters().count()]);
        let mut out = BytesMut::new();
        let sent = API.encode_request(method, &params, query, Some(body), &mut out);
        if sent.is_err() {
            assert!(out.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_as_a_body(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        send(&bytes, "");
    }

    #[test]
    fn anything_like_json_as_a_body(body in json_like()) {
        send(&body, "");
    }

    #[test]
    fn acceptance_agrees_with_another_parser(body in json_like()) {
        let mut out = BytesMut::new();
        let method = method("CreateContact");
        let sent = API.encode_request(method, &PathParams(vec![]), "", Some(&body), &mut out);
        let parsed = serde_json::from_slice::<serde_json::Value>(&body);
        if let (Err(crate::RequestError::Json(error)), Ok(_)) = (&sent, &parsed) {
            // The other parser lets the last of repeated members win, and nests deeper.
            let stricter = matches!(error.fault, crate::JsonFault::Repeated(_) | crate::JsonFault::Depth);
            prop_assert!(stricter, "{error}");
        }
        if let (Ok(_), Err(error)) = (&sent, &parsed) {
            // What is output-only is skipped, whatever number it holds.
            prop_assert!(error.to_string().contains("number out of range"), "{error}");
        }
    }

    #[test]
    fn any_text_as_a_query(query in "[a-z_=&%+0-9\u{e9}]{0,60}") {
        send(b"", &query);
    }

    #[test]
    fn any_text_as_a_path(path in "(/|/api/v1/)?[a-z/:%0-9{}\u{e9}]{0,40}") {
        for verb in ["GET", "POST", "PATCH", "get", ""] {
            if let Route::Found { method, params } = API.route(verb, &path) {
                prop_assert_eq!(params.0.len(), method.path_parameters().count());
            }
        }
    }

    #[test]
    fn any_bytes_as_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300), fields in "[a-z_,.]{0,20}") {
        for method in API.methods() {
            let mut out = Vec::new();
            let selection = API.select(method, &fields);
            match API.decode_response(method, &bytes, selection.as_ref(), &mut out) {
                Ok(_) => prop_assert!(str::from_utf8(&out).is_ok()),
                Err(_) => prop_assert!(out.is_empty()),
            }
        }
    }

    #[test]
    fn a_damaged_answer(
        entropy in proptest::collection::vec(any::<u8>(), 0..800),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        use prost::Message;
        let pool = &super::oracle::real().pool;
        let name = "globcrm.records.v1.ListContactsResponse";
        let plan = &API.schema.messages[API.schema.message(name).unwrap()];
        let descriptor = pool.get_message_by_name(name).unwrap();
        let message = super::entropy::Entropy::new(&entropy, false).message(&API.schema, plan, &descriptor, 0);
        let mut wire = message.encode_to_vec();
        prop_assume!(!wire.is_empty());
        for (at, byte) in damage {
            let at = at.index(wire.len());
            wire[at] = byte;
        }
        let mut out = Vec::new();
        let decoded = API.decode_response(method("ListContacts"), &wire, None, &mut out);
        prop_assert!(decoded.is_ok() || out.is_empty());
        // Whatever prost accepts of these types, we accept, but for values that JSON or RFC 3339 cannot say.
        let reference = proto::records::v1::ListContactsResponse::decode(&wire[..]);
        if let (Err(error), Ok(_)) = (&decoded, &reference) {
            prop_assert!(matches!(error, crate::DecodeError::Field { .. }), "{error}");
        }
    }
}
