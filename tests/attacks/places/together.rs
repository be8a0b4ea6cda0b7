//! A few callers who each hold all they can, of everything there is, at once: their shares do not add up to the whole.

use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::json;
use testkit::fleet::Role;

use super::{Http2, at, measured, others_are_served, request};
use crate::stage::{Stage, Tenant, sign_up};

/// Requests of each kind that one of them sends: more than there are places in all.
const EACH: usize = 80;

/// What one of them holds: dropped, it is given back.
struct Grip {
    connections: Vec<Http2>,
    unread: Vec<h2::RecvStream>,
    open: Vec<(h2::client::ResponseFuture, h2::SendStream<bytes::Bytes>)>,
}

/// Takes hold of documents, answers, bodies and uploads, from one address and with one tenant of its own.
async fn grip(stage: &Stage, tenant: &Tenant, address: &str, unread: &str) -> Grip {
    let bearer = format!("Bearer {}", tenant.access_token);
    let (from, key) = (("x-forwarded-for", address), ("authorization", bearer.as_str()));
    let csv = ("content-type", "text/csv");
    let mut grip = Grip { connections: Vec::new(), unread: Vec::new(), open: Vec::new() };
    let mut connection = Http2::connect(stage, 0).await;
    let mut asked = Vec::new();
    for _ in 0..EACH {
        let headers: &[_] = if unread.contains("contacts") { &[from, key] } else { &[from] };
        asked.push(connection.head(request(Method::GET, unread, headers), true).await.0);
    }
    for answer in join_all(asked).await.into_iter().flatten() {
        assert!(
            [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS].contains(&answer.status()),
            "{}",
            answer.status()
        );
        grip.unread.push(answer.into_body());
    }
    grip.connections.push(connection);
    let mut connection = Http2::connect(stage, 65_535).await;
    for _ in 0..EACH {
        let body =
            request(Method::POST, "/api/v1/contacts", &[from, key, ("content-type", "application/json")]);
        let upload = request(Method::POST, "/api/v1/uploads", &[from, key, csv]);
        grip.open.push(connection.head(body, false).await);
        grip.open.push(connection.head(upload, false).await);
    }
    connection.heard().await;
    grip.connections.push(connection);
    grip
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_callers_together_never_take_the_places_of_others() {
    let variables = [
        ("GLOBCRM_GATEWAY_MAX_IN_FLIGHT", "64"),
        ("GLOBCRM_GATEWAY_MAX_IN_FLIGHT_TENANT", "24"),
        ("GLOBCRM_GATEWAY_MAX_IN_FLIGHT_PRINCIPAL", "16"),
        ("GLOBCRM_GATEWAY_MAX_IN_FLIGHT_ADDRESS", "32"),
        ("GLOBCRM_GATEWAY_MAX_TRANSFERS", "32"),
        ("GLOBCRM_GATEWAY_TRUST_FORWARDED_FOR", "true"),
    ];
    let stage = tokio::task::block_in_place(|| Stage::start_with(&variables));
    let other = sign_up(&at(&stage, 1), "other").await;
    let mut hostile = Vec::new();
    for last in 50..58 {
        let tenant = sign_up(&at(&stage, last), "hostile").await;
        tenant.admin.post("/api/v1/contacts", json!({"last_name": "Unread"})).await.expect(201);
        hostile.push((tenant, format!("203.0.113.{last}")));
    }
    for (round, unread) in ["/docs", "/api/v1/openapi.json", "/api/v1/contacts"].into_iter().enumerate() {
        for callers in [2, 8] {
            let grips =
                hostile[..callers].iter().map(|(tenant, address)| grip(&stage, tenant, address, unread));
            let grips: Vec<Grip> = join_all(grips).await;
            let held: usize = grips.iter().map(|grip| grip.unread.len() + grip.open.len()).sum();
            assert!(held > callers * EACH, "{held} are open");
            others_are_served(&other, &stage, &format!("together{round}x{callers}")).await;
            let reader = at(&stage, 2);
            assert!(reader.get("/api/v1/openapi.json").await.expect(200).is_object());
            drop(grips);
        }
    }
    // What unread documents hold, they hold of documents alone.
    let (tenant, address) = &hostile[0];
    let held = grip(&stage, tenant, address, "/docs").await;
    let documents = measured(&stage, Role::Gateway, "globcrm_gateway_held", "Document").await;
    assert!(documents > 0.0, "{documents} bytes of documents wait");
    drop(held);
}
