//! What operators scrape: requests by route and status, connections, jobs.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Method;
use testkit::fleet::Role;

use crate::stage::Stage;
use crate::waiting;

const BOUND: Duration = Duration::from_secs(30);
/// That go away at once.
const CLIENTS: u32 = 40;

/// What a role serves.
pub(super) async fn page(stage: &Stage, role: Role) -> String {
    let url = format!("http://127.0.0.1:{}/metrics", stage.ports.admin[&role]);
    reqwest::get(url).await.expect("metrics").text().await.expect("text")
}

/// The samples of a scrape: name with labels, and value.
pub async fn scrape(stage: &Stage, role: Role) -> BTreeMap<String, f64> {
    let text = page(stage, role).await;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(k, v)| (k.to_owned(), v.parse().unwrap_or(f64::NAN)))
        .collect()
}

/// The sum of the samples whose name begins so and that have all of these labels.
pub fn sum(samples: &BTreeMap<String, f64>, name: &str, labels: &[&str]) -> f64 {
    let fits = |key: &&String| key.starts_with(name) && labels.iter().all(|label| key.contains(label));
    samples.keys().filter(fits).map(|key| samples[key]).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_route_and_status_and_nobody_makes_new_series() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("metrics").await;
    const COUNT: &str = "http_server_request_duration_seconds_count";
    let route = r#"http_route="/api/v1/contacts/{id}""#;
    let of = |samples: &BTreeMap<String, f64>, status: &str| {
        sum(
            samples,
            COUNT,
            &[route, r#"http_request_method="GET""#, &format!("http_response_status_code=\"{status}\"")],
        )
    };
    let before = scrape(stage, Role::Gateway).await;
    let made = tenant.admin.post("/api/v1/contacts", serde_json::json!({"last_name": "A"})).await.expect(201);
    let path = format!("/api/v1/contacts/{}", made["id"].as_str().expect("an id"));
    for _ in 0..3 {
        tenant.admin.get(&path).await.expect(200);
    }
    tenant.admin.get("/api/v1/contacts/nobody").await.expect(404);
    let after = scrape(stage, Role::Gateway).await;
    assert!(of(&after, "200") - of(&before, "200") >= 3.0, "{after:#?}");
    assert!(of(&after, "404") - of(&before, "404") >= 1.0);
    // What a client makes up is one series: its method, and no route.
    let other = |samples: &BTreeMap<String, f64>| {
        samples.keys().filter(|key| key.starts_with(COUNT) && !key.contains("http_route=")).count()
    };
    let flood = futures_util::stream::iter(0..10_000).map(|n| async move {
        // Half of them with a method of their own.
        let method = if n % 2 == 0 { format!("BREW{n}") } else { "GET".to_owned() };
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let answer = stage.anonymous.call(method, &format!("/api/v1/made-up-{n}")).send().await;
        assert_eq!(answer.status, 404, "{}", answer.text);
    });
    flood.buffer_unordered(16).collect::<()>().await;
    let flooded = scrape(stage, Role::Gateway).await;
    assert!(other(&flooded) <= 12, "{} series", other(&flooded));
    assert!(
        !flooded
            .keys()
            .any(|key| key.contains("made-up") || key.contains("BREW") || key.contains(&tenant.id))
    );
    assert!(sum(&flooded, COUNT, &[r#"http_request_method="_OTHER""#]) >= 5_000.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_clients_that_go_end() {
    let stage = Stage::shared().await;
    let ended = |samples: &BTreeMap<String, f64>, label: &str| {
        let labels = [r#"http_route="/api/v1/auth/password-reset""#, label];
        sum(samples, "http_server_request_duration_seconds_count", &labels)
    };
    let active = |samples: &BTreeMap<String, f64>| {
        sum(samples, "http_server_active_requests", &[r#"http_request_method="POST""#])
    };
    let before = scrape(stage, Role::Gateway).await;
    // Bodies that never come, and clients that go. As many as no other test has at once, so that one which is not counted down shows.
    let url = stage.fleet.gateway_url().trim_start_matches("http://").to_owned();
    let head = format!(
        "POST /api/v1/auth/password-reset HTTP/1.1\r\nhost: {url}\r\ncontent-type: application/json\r\n\
         content-length: 9\r\n\r\n{{"
    );
    let mut sockets = Vec::new();
    for _ in 0..CLIENTS {
        let mut socket = tokio::net::TcpStream::connect(&url).await.expect("a connection");
        tokio::io::AsyncWriteExt::write_all(&mut socket, head.as_bytes()).await.expect("sent");
        sockets.push(socket);
    }
    waiting::until(BOUND, "the requests have come", async || {
        active(&scrape(stage, Role::Gateway).await) >= f64::from(CLIENTS)
    })
    .await;
    drop(sockets);
    waiting::until(BOUND, "they are counted, and none is active", async || {
        let samples = scrape(stage, Role::Gateway).await;
        ended(&samples, "") >= ended(&before, "") + f64::from(CLIENTS)
            && active(&samples) < f64::from(CLIENTS)
    })
    .await;
    let after = scrape(stage, Role::Gateway).await;
    // Whoever read the body first: a refusal that nobody hears, or a request that was dropped. None is a fault of the server.
    let more = |label| ended(&after, label) - ended(&before, label);
    let (refused, gone) = (more(r#"status_code="400""#), more(r#"error_type="client_gone""#));
    assert!(refused + gone >= f64::from(CLIENTS), "{refused} refused, {gone} gone");
    assert!(more(r#"status_code="5"#) == 0.0, "{after:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pools_transactions_and_jobs_are_seen() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("pools").await;
    tenant.admin.get("/api/v1/contacts").await.expect(200);
    tenant.admin.post("/api/v1/contacts", serde_json::json!({"last_name": ""})).await.expect(422);
    let samples = scrape(stage, Role::Records).await;
    let pool = r#"db_client_connection_pool_name="records-app""#;
    assert!(sum(&samples, "db_client_connection_max", &[pool]) >= 1.0, "{samples:#?}");
    assert!(sum(&samples, "db_client_connection_wait_time_seconds_count", &[pool]) >= 2.0);
    let committed = [r#"role="records-app""#, r#"outcome="committed""#];
    assert!(sum(&samples, "globcrm_db_transaction_duration_seconds_count", &committed) >= 1.0);
    // More callers at once than there are idle connections: some of them wait.
    let calls = (0..40).map(|_| tenant.admin.get("/api/v1/contacts"));
    futures_util::future::join_all(calls).await;
    let pending = "db_client_connection_pending_requests";
    // Whatever runs now is given back.
    waiting::until(BOUND, "connections are given back", async || {
        let samples = scrape(stage, Role::Records).await;
        let has_waited = samples.keys().any(|key| key.starts_with(pending) && key.contains(pool));
        let open = |state| sum(&samples, "db_client_connection_count", &[pool, state]);
        let (used, idle) = (open(r#"state="used""#), open(r#"state="idle""#));
        let max = sum(&samples, "db_client_connection_max", &[pool]);
        (0.0..=max).contains(&used)
            && (1.0..=max).contains(&idle)
            && has_waited
            && sum(&samples, pending, &[pool]) == 0.0
    })
    .await;
    waiting::until(BOUND, "a job has had a round", async || {
        let samples = scrape(stage, Role::Records).await;
        sum(&samples, "globcrm_job_last_success_seconds", &[r#"job="records.purge""#]) > 1.7e9
            && sum(&samples, "globcrm_job_round_duration_seconds_count", &[r#"job="records.purge""#]) >= 1.0
    })
    .await;
}
