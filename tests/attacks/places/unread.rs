//! Clients of HTTP/1.1 that ask and do not read.

use std::time::Duration;

use serde_json::json;
use testkit::fleet::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::{measured, others_are_served};
use crate::stage::{Stage, Tenant};
use crate::waiting::until;

/// A list of two megabytes, asked for again and again on one connection: more than sockets take in when nobody reads.
const COMPANIES: usize = 60;
const TIMES: usize = 20;

/// Asks for the lists on a connection of its own whose receiver takes in little, and reads nothing.
async fn asks(stage: &Stage, tenant: &Tenant) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 << 10).expect("set");
    let mut stream = socket.connect(([127, 0, 0, 1], stage.ports.public).into()).await.expect("connected");
    let head = format!(
        "GET /api/v1/companies?page_size={COMPANIES} HTTP/1.1\r\nhost: gateway\r\nx-forwarded-for: 203.0.113.2\r\n\
         authorization: Bearer {}\r\n\r\n",
        tenant.access_token
    );
    stream.write_all(head.repeat(TIMES).as_bytes()).await.expect("sent");
    stream
}

/// Their answers hold places and bytes until the time for a piece is over; then all of it comes back, and the connection ends short.
pub(super) async fn answers_over_http1(stage: &Stage, other: &Tenant, hostile: &Tenant) {
    let held = async |kind: &str| measured(stage, Role::Gateway, "globcrm_gateway_held", kind).await;
    let long = "\u{1f4d6}".repeat(9_000);
    for n in 0..COMPANIES {
        let company = json!({"name": format!("Company {n}"), "description": long});
        hostile.admin.post("/api/v1/companies", company).await.expect(201);
    }
    let listed = hostile.admin.get(&format!("/api/v1/companies?page_size={COMPANIES}")).await;
    listed.expect(200);
    let whole = listed.text.len();
    assert!(whole > 1 << 20, "{whole} bytes");
    let nothing = async || held("Call").await + held("Unread").await < 0.5;
    until(Duration::from_secs(30), "nothing is held before", nothing).await;
    let mut asking = Vec::new();
    for _ in 0..3 {
        asking.push(asks(stage, hostile).await);
    }
    until(Duration::from_secs(30), "an answer waits", async || held("Unread").await >= whole as f64).await;
    others_are_served(other, stage, "unread1").await;
    until(Duration::from_secs(60), "places and bytes come back", nothing).await;
    for mut stream in asking {
        let mut got = Vec::new();
        // Closed with what lay in between: an end, or a reset.
        drop(stream.read_to_end(&mut got).await);
        assert!(got.len() < TIMES * whole, "{} bytes of {TIMES} times {whole}", got.len());
    }
    hostile.admin.get("/api/v1/me").await.expect(200);
}
