//! The same over the wire: clients that close, reset and set short deadlines, on a real fleet, beside a quiet tenant.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use proto::identity::v1::GetSnapshotRequest;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::records::v1::records_service_client::RecordsServiceClient;
use proto::records::v1::{CreateContactRequest, GetOperationRequest, ListContactsRequest};
use reqwest::Method;
use serde_json::json;
use testkit::fleet::Role;
use tonic::{Code, Request};

use crate::client::query;
use crate::stage::{Stage, Tenant, text};
use crate::waiting;

/// Calls that each of the storm's callers drops.
const DROPPED: usize = 250;
const CALLERS: usize = 3;
const BOUND: Duration = Duration::from_secs(20);

/// What is called and dropped: transactions of both kinds, in records and in identity.
const PATHS: [&str; 6] = [
    "/api/v1/contacts?page_size=1",
    "/api/v1/companies?page_size=1",
    "/api/v1/operations/records.01890000-0000-7000-8000-000000000000",
    "/api/v1/me",
    "/api/v1/users",
    "/api/v1/objects/contact/fields",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_dropped_calls_harms_no_other_tenant_and_undoes_no_revoke() {
    let stage = Stage::shared().await;
    let (loud, quiet) = (stage.tenant("loud").await, stage.tenant("quiet").await);
    let ended = ended_session(stage, &loud).await;
    let may = json!([{"object": "contact", "actions": ["read"], "scopes": ["all"]}]);
    let member = stage.member(&quiet, "leaver", may, json!([])).await;
    member.client.get("/api/v1/contacts").await.expect(200);

    let over = AtomicBool::new(false);
    let (http, grpc) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let storm = async {
        let tokens = [loud.access_token.as_str(), ended.as_str()];
        let calls = (0..CALLERS).flat_map(|n| {
            let token = tokens[n % 2];
            [
                Box::pin(over_http(stage, token, false, n, &http))
                    as std::pin::Pin<Box<dyn Future<Output = ()>>>,
                Box::pin(over_http(stage, token, true, n, &http)),
                Box::pin(over_grpc(stage, token, n, &grpc)),
            ]
        });
        futures_util::future::join_all(calls).await;
        over.store(true, Ordering::SeqCst);
    };
    let beside = async {
        let mut rounds = 0;
        while !over.load(Ordering::SeqCst) || rounds < 20 {
            write_and_read(&quiet, rounds).await;
            rounds += 1;
        }
    };
    let revoke = async {
        quiet.admin.post(&format!("/api/v1/users/{}:disable", member.id), json!({})).await.expect(200);
        let mut asked = 0;
        while !over.load(Ordering::SeqCst) || asked < 20 {
            let answer = member.client.get("/api/v1/contacts").await;
            assert_eq!(
                answer.status, 401,
                "of a user who was disabled, after {asked} questions: {}",
                answer.text
            );
            asked += 1;
        }
    };
    tokio::join!(storm, beside, revoke);
    let (http, grpc) = (http.into_inner(), grpc.into_inner());
    assert!(http > 0 && grpc > 0, "the storm dropped {http} calls over HTTP and {grpc} over gRPC");

    let sql = tokio::sync::Mutex::new(stage.sql().await);
    waiting::outcome(BOUND, "all connections are at rest", async || {
        let left: Vec<String> = sqlx::query_scalar(
            "SELECT format('%s %s: %s', application_name, state, left(query, 80)) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name LIKE 'globcrm-%-app' AND state LIKE 'idle in%'",
        )
        .fetch_all(&mut *sql.lock().await)
        .await
        .map_err(|e| e.to_string())?;
        if left.is_empty() { Ok(()) } else { Err(left.join("; ")) }
    })
    .await;
    for role in Role::ALL.into_iter().filter(|role| role.member().has_schema) {
        let metrics = reqwest::get(format!("http://127.0.0.1:{}/metrics", stage.ports.admin[&role])).await;
        let metrics = metrics.expect("metrics").text().await.expect("text");
        let mut astray = metrics.lines().filter(|line| line.starts_with("globcrm_db_transactions_astray"));
        // It is shown from the start, so that the first one is an increase.
        let met = astray.find(|line| !line.ends_with(" 0"));
        assert_eq!(met, None, "{role:?} met a transaction where none may be");
    }
}

/// An access token whose session has ended: each call with it asks identity anew.
async fn ended_session(stage: &Stage, tenant: &Tenant) -> String {
    let login = json!({"organization": tenant.slug, "email": format!("admin@{}.test", tenant.slug),
                       "password": crate::stage::PASSWORD});
    let login = stage.anonymous.post("/api/v1/auth/login", login).await.expect(200);
    let token = text(&login["access_token"]);
    stage.anonymous.with_token(&token).post("/api/v1/auth/logout", json!({})).await.expect(204);
    token
}

/// Own writes succeed and are read at once.
async fn write_and_read(tenant: &Tenant, round: usize) {
    let name = format!("Round {round}");
    let made = tenant.admin.post("/api/v1/contacts", json!({"last_name": name})).await.expect(201);
    let path = format!("/api/v1/contacts/{}", text(&made["id"]));
    assert_eq!(tenant.admin.get(&path).await.expect(200)["last_name"], name);
    tenant.admin.patch(&path, json!({"job_title": "CTO"})).await.expect(200);
    let filter = format!("last_name=\"{name}\"");
    let list = format!("/api/v1/contacts{}", query(&[("filter", &filter)]));
    let found = tenant.admin.get(&list).await.expect(200);
    assert_eq!(found["contacts"].as_array().map(Vec::len), Some(1), "{found}");
    tenant
        .admin
        .patch(&format!("/api/v1/users/{}", tenant.admin_id), json!({"display_name": name}))
        .await
        .expect(200);
}

/// 0.3 ms to 12 ms, differently for each call.
fn moment(caller: usize, call: usize) -> Duration {
    Duration::from_micros(300 + ((caller * 7_919 + call * 1_237) % 11_700) as u64)
}

/// Closes the connection (HTTP/1.1) or resets the stream (h2) after a moment.
async fn over_http(stage: &Stage, token: &str, h2: bool, caller: usize, dropped: &AtomicUsize) {
    let builder = reqwest::Client::builder();
    let client =
        if h2 { builder.http2_prior_knowledge() } else { builder.http1_only() }.build().expect("a client");
    for call in 0..DROPPED {
        let path = PATHS[(caller + call) % PATHS.len()];
        let url = format!("{}{path}", stage.fleet.gateway_url());
        let request = client.request(Method::GET, url).bearer_auth(token).send();
        if tokio::time::timeout(moment(caller, call), request).await.is_err() {
            dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Calls services with a deadline of a moment, and counts the calls that it ended: some are refused long before.
async fn over_grpc(stage: &Stage, token: &str, caller: usize, dropped: &AtomicUsize) {
    let mut records = RecordsServiceClient::new(stage.grpc(Role::Records).await);
    let mut identity = IdentityServiceClient::new(stage.grpc(Role::Identity).await);
    let records_token = stage.service_token(Role::Records).await;
    for call in 0..DROPPED {
        let deadline = moment(caller, call);
        let status = match call % 4 {
            0 => records.list_contacts(timed(token, deadline, ListContactsRequest::default())).await.err(),
            1 => {
                let id = "records.01890000-0000-7000-8000-000000000000".to_owned();
                records.get_operation(timed(token, deadline, GetOperationRequest { id })).await.err()
            }
            2 => records.create_contact(timed(token, deadline, CreateContactRequest::default())).await.err(),
            _ => {
                let mut asked = timed(token, deadline, GetSnapshotRequest { if_version: 0 });
                asked.metadata_mut().insert("x-service-token", records_token.parse().expect("a header"));
                identity.get_snapshot(asked).await.err()
            }
        };
        let is_late =
            |status: tonic::Status| matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled);
        dropped.fetch_add(usize::from(status.is_some_and(is_late)), Ordering::SeqCst);
    }
}

fn timed<T>(token: &str, deadline: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    request
}
