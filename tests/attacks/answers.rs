//! Answers at their largest, connections at their end: the status is what it is, and the fleet's own life costs no call.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use testkit::fleet::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::places::{Http2, request};
use crate::sockets::connected;
use crate::stage::{Stage, sign_up, text};
use crate::waiting;

/// A company whose long text was changed since its first version; gives its path.
async fn changed(tenant: &crate::stage::Tenant, name: &str, letter: &str, length: usize) -> String {
    let text_of = |n: usize| format!("{n}{}", letter.repeat(length));
    let body = json!({"name": name, "description": text_of(1)});
    let made = tenant.admin.post("/api/v1/companies", body).await.expect(201);
    let path = format!("/api/v1/companies/{}", text(&made["id"]));
    tenant.admin.patch(&path, json!({"description": text_of(2)})).await.expect(200);
    path
}

#[tokio::test]
async fn a_conflict_of_the_largest_values_is_a_conflict() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("large").await;
    for (letter, length) in
        [("x", 4_000), ("x", 9_990), ("ü", 9_990), ("𝄞", 9_990), ("\\", 9_990), ("\"", 9_990)]
    {
        let path = changed(&tenant, "Large", letter, length).await;
        let mine = format!("3{}", letter.repeat(length));
        let stale = tenant.admin.call(Method::PATCH, &path).header("if-match", "\"1\"");
        let stale = stale.json(&json!({"description": mine})).send().await.refused(412, "VERSION_STALE");
        let merged = json!({"description": mine, "etag": "\"1\""});
        let conflict = tenant.admin.patch(&path, merged).await.refused(409, "EDIT_CONFLICT");
        for problem in [stale, conflict] {
            let field = &problem["conflicts"][0];
            assert_eq!(field["field"], "description", "{problem}");
            // Either whole or not at all: a part could be taken for the value.
            let whole = field["yours"].as_str() == Some(&mine);
            assert!(
                whole || (field["omitted"] == true && field["yours"] == Value::Null),
                "{letter} {length}"
            );
        }
    }
}

#[tokio::test]
async fn more_violations_than_an_answer_holds_are_counted() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("violations").await;
    for keys in [200, 300, 2_000] {
        let custom: serde_json::Map<String, Value> =
            (0..keys).map(|n| (format!("no_such_field_{n}"), json!("x"))).collect();
        let body = json!({"last_name": "Many", "custom": custom});
        let problem = tenant.admin.post("/api/v1/contacts", body).await;
        let problem = problem.refused(422, "VALIDATION_FAILED");
        let told = problem["errors"].as_array().expect("errors").len();
        assert!(told >= 50, "{keys}: {told} are told");
        let left_out =
            problem["meta"]["violations_left_out"].as_str().map_or(0, |n| n.parse().expect("a number"));
        assert!(told + left_out >= keys.min(256), "{keys}: {told} told, {left_out} left out");
    }
    // Names and values as long as they come.
    let long = "n".repeat(200_000);
    let body = json!({ (long.as_str()): 1, "custom": { (long.as_str()): 1 } });
    let answer = tenant.admin.post("/api/v1/contacts", body).await;
    answer.refused(422, "VALIDATION_FAILED");
    assert!(answer.text.len() < 64 << 10, "{} bytes", answer.text.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_because_a_connection_ages() {
    const CALLERS: usize = 8;
    const WRITES: usize = 150;
    /// Far more than the services that call records hold at once.
    const CONNECTIONS: usize = 10;
    let variables = [
        ("GLOBCRM_IDENTITY_CONNECTION_AGE", "0.1"),
        ("GLOBCRM_FIELDS_CONNECTION_AGE", "0.1"),
        ("GLOBCRM_RECORDS_CONNECTION_AGE", "0.1"),
    ];
    let stage = tokio::task::block_in_place(|| Stage::start_with(&variables));
    let tenant = sign_up(&stage.anonymous, "ages").await;
    let callers = (0..CALLERS).map(|caller| {
        let admin = tenant.admin.clone();
        async move {
            let mut failed = Vec::new();
            for n in 0..WRITES {
                let body = json!({"last_name": format!("{caller}-{n}")});
                let made = admin.post("/api/v1/contacts", body).await;
                if made.status != 201 {
                    failed.push(format!("create: {} {}", made.status, made.text));
                    continue;
                }
                let path = format!("/api/v1/contacts/{}", text(&made.json()["id"]));
                let changed = admin.patch(&path, json!({"score": 1})).await;
                if changed.status != 200 || changed.json()["version"] != 2 {
                    failed.push(format!("change: {} {}", changed.status, changed.text));
                }
            }
            failed
        }
    });
    let (port, mut opened) = (stage.ports.grpc[&Role::Records], BTreeSet::new());
    let looks = async {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        loop {
            pace.tick().await;
            opened.extend(connected(port).expect("the connections to records"));
        }
    };
    let failed = tokio::select! {
        failed = join_all(callers) => failed,
        () = looks => unreachable!(),
    };
    let failed: Vec<String> = failed.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
    assert!(opened.len() > CONNECTIONS, "no connection has aged: {opened:?}");
    let list = tenant.admin.get("/api/v1/contacts?page_size=1&count=exact").await.expect(200);
    assert_eq!(list["total"]["value"], CALLERS * WRITES, "none twice: {list}");
}

#[tokio::test]
async fn a_list_of_errors_is_downloaded_whole_by_a_reader_who_takes_their_time() {
    // As many errors as are kept of one import, and of a column whose name takes twice as many bytes in the list as are counted of it.
    const ROWS: usize = 7_000;
    let stage = Stage::shared().await;
    let tenant = stage.tenant("download").await;
    let column = format!("Score{}", "\"".repeat(290));
    let mut csv = format!("Name,\"{}\"\n", column.replace('"', "\"\""));
    for row in 0..ROWS {
        csv.push_str(&format!("Person {row},not a number\n"));
    }
    let upload = tenant.admin.call(Method::POST, "/api/v1/uploads");
    let upload = upload.bytes("text/csv", csv.into_bytes()).send().await.expect(201);
    let body = json!({"upload_id": upload["id"], "object": "contact", "dry_run": true, "mapping": [
        {"column": "Name", "field": "last_name"}, {"column": column, "field": "score"}]});
    let started = tenant.admin.post("/api/v1/imports", body).await.expect(202);
    let path = format!("/api/v1/operations/{}", text(&started["id"]));
    waiting::outcome(Duration::from_secs(120), "the import is over", async || {
        let operation = tenant.admin.get(&path).await.expect(200);
        match operation["state"].as_str() {
            Some("queued" | "running") => Err(operation),
            _ => Ok(operation),
        }
    })
    .await;
    let whole = tenant.admin.get(&format!("{path}/errors")).await;
    assert_eq!(whole.status, 200, "{}", whole.text);
    // More than all that waits on the way: 2 MiB at the gateway for one stream, some hundred KiB in the service, and the reader's
    // window. What waits there would come also when the list had been given up long since.
    assert!(whole.text.len() > 3 << 20, "{} bytes", whole.text.len());
    let mut connection = Http2::connect(stage, 16 << 10).await;
    let bearer = format!("Bearer {}", tenant.access_token);
    let head = request(Method::GET, &format!("{path}/errors"), &[("authorization", bearer.as_str())]);
    let answer = connection.head(head, true).await.0.await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body();
    let mut got = Vec::new();
    let mut pauses = 2;
    while let Some(bytes) = body.data().await {
        let bytes = bytes.unwrap_or_else(|e| panic!("cut off after {} bytes: {e}", got.len()));
        got.extend_from_slice(&bytes);
        if pauses > 0 {
            // The reader, and not a wait for something: longer than a read may take.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            pauses -= 1;
        }
        body.flow_control().release_capacity(bytes.len()).expect("released");
    }
    assert_eq!(got.len(), whole.text.len());
}

/// The status of an answer to these bytes on a connection of their own.
async fn raw(stage: &Stage, bytes: &str) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", stage.ports.public)).await.expect("connected");
    stream.write_all(bytes.as_bytes()).await.expect("sent");
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.expect("an answer");
    String::from_utf8_lossy(&head).rsplit(' ').next().and_then(|code| code.parse().ok()).expect("a status")
}

#[tokio::test]
async fn a_request_names_its_host_once() {
    let stage = Stage::shared().await;
    for path in ["/healthz", "/api/v1/openapi.json", "/api/v1/me"] {
        assert_eq!(raw(stage, &format!("GET {path} HTTP/1.1\r\n\r\n")).await, 400, "{path}");
        assert_eq!(
            raw(stage, &format!("GET {path} HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n")).await,
            400,
            "{path}"
        );
    }
    assert_eq!(raw(stage, "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await, 200);
    // HTTP/1.0 had no such header.
    assert_eq!(raw(stage, "GET /healthz HTTP/1.0\r\n\r\n").await, 200);
}
