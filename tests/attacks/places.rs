//! One caller against the places of all: heads without bodies, drips, uploads that do not go on, answers nobody reads.
//!
//! On a fleet of its own whose gateway has few places. Every caller has an address of its own behind the proxy, but where the
//! attack is to have the same one.

mod peers;
mod together;
mod unread;

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Ping, SendStream};
use http::{Method, Request, StatusCode};
use serde_json::json;
use testkit::fleet::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::stage::{Stage, Tenant, sign_up};
use crate::waiting::until;

/// What a role measures under a name, summed over the samples whose labels hold `with`.
pub(super) async fn measured(stage: &Stage, role: Role, name: &str, with: &str) -> f64 {
    let url = format!("http://127.0.0.1:{}/metrics", stage.ports.admin[&role]);
    let text = reqwest::get(url).await.expect("metrics").text().await.expect("metrics");
    let samples = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(with)
    });
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// An HTTP/2 connection whose streams may each take `window` bytes of their answers.
pub(super) struct Http2 {
    pub(super) send: SendRequest<Bytes>,
    pings: h2::PingPong,
}

impl Http2 {
    pub(super) async fn connect(stage: &Stage, window: u32) -> Self {
        let tcp = TcpStream::connect(("127.0.0.1", stage.ports.public)).await.expect("connected");
        let mut builder = h2::client::Builder::new();
        let (send, mut connection) =
            builder.initial_window_size(window).handshake(tcp).await.expect("a handshake");
        let pings = connection.ping_pong().expect("pings");
        tokio::spawn(async move { drop(connection.await) });
        Self { send, pings }
    }

    /// Sends the head of a request, and the end of it where it has no body.
    pub(super) async fn head(
        &mut self,
        request: Request<()>,
        end: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let mut ready = self.send.clone().ready().await.expect("ready");
        ready.send_request(request, end).expect("sent")
    }

    /// Returns when the peer has read all that was sent.
    async fn heard(&mut self) {
        self.pings.ping(Ping::opaque()).await.expect("a pong");
    }
}

pub(super) fn request(method: Method, path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut builder = Request::builder().method(method).uri(format!("http://gateway{path}"));
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).expect("a request")
}

/// The client at an address of its own.
fn at(stage: &Stage, last: u8) -> Client {
    stage.anonymous.with_header("x-forwarded-for", &format!("203.0.113.{last}"))
}

/// The others go on as if nothing were: what they want is done, at once and every time.
async fn others_are_served(other: &Tenant, stage: &Stage, round: &str) {
    static NEXT: AtomicU8 = AtomicU8::new(100);
    for n in 0..4 {
        // Somebody new each time: who logs in wrongly again and again is slowed down for that.
        let stranger = at(stage, NEXT.fetch_add(1, Ordering::Relaxed));
        let made = other.admin.post("/api/v1/contacts", json!({"last_name": format!("{round} {n}")})).await;
        made.expect(201);
        other.admin.get("/api/v1/contacts?page_size=1").await.expect(200);
        let email = format!("{n}@{round}.test");
        let login = json!({"organization": "nobody", "email": email, "password": "wrong-password"});
        stranger.post("/api/v1/auth/login", login).await.refused(401, "CREDENTIALS_INVALID");
        let upload = other.admin.call(Method::POST, "/api/v1/uploads");
        upload.bytes("text/csv", b"Name\nMeyer\n".to_vec()).send().await.expect(201);
    }
}

/// Sends `count` heads whose bodies never come, lets the others work, and gives what became of the heads.
async fn heads_without_bodies(
    stage: &Stage,
    head: impl Fn() -> Request<()>,
    count: usize,
    others: impl AsyncFnOnce(),
) -> Vec<StatusCode> {
    let mut connection = Http2::connect(stage, 65_535).await;
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(connection.head(head(), false).await);
    }
    connection.heard().await;
    others().await;
    let (answers, _open): (Vec<_>, Vec<_>) = held.into_iter().unzip();
    join_all(answers).await.into_iter().map(|answer| answer.expect("an answer").status()).collect()
}

#[track_caller]
fn only_its_own(statuses: &[StatusCode], held_at_most: usize) {
    let slow = statuses.iter().filter(|s| **s == StatusCode::REQUEST_TIMEOUT).count();
    let share = statuses.iter().filter(|s| **s == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!(slow + share, statuses.len(), "{statuses:?}");
    assert!((1..=held_at_most).contains(&slow), "{slow} were held: {statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_caller_never_takes_the_places_of_others() {
    let variables = [
        ("GLOBCRM_GATEWAY_MAX_IN_FLIGHT", "16"),
        ("GLOBCRM_GATEWAY_MAX_IN_FLIGHT_TENANT", "8"),
        ("GLOBCRM_GATEWAY_MAX_IN_FLIGHT_PRINCIPAL", "6"),
        ("GLOBCRM_GATEWAY_MAX_IN_FLIGHT_ADDRESS", "10"),
        ("GLOBCRM_GATEWAY_MAX_TRANSFERS", "16"),
        ("GLOBCRM_GATEWAY_CLIENT_STALL", "1"),
        ("GLOBCRM_GATEWAY_TRUST_FORWARDED_FOR", "true"),
    ];
    let stage = tokio::task::block_in_place(|| Stage::start_with(&variables));
    let other = sign_up(&at(&stage, 1), "other").await;
    let hostile = sign_up(&at(&stage, 2), "hostile").await;
    let bearer = format!("Bearer {}", hostile.access_token);
    let json = ("content-type", "application/json");

    // A principal's writes whose bodies do not come.
    let writes = || {
        let headers = [("authorization", bearer.as_str()), ("x-forwarded-for", "203.0.113.2"), json];
        request(Method::POST, "/api/v1/contacts", &headers)
    };
    let others = async || others_are_served(&other, &stage, "writes").await;
    only_its_own(&heads_without_bodies(&stage, writes, 45, others).await, 12);

    // The same of one address without credentials, over one connection and over many.
    let logins = || request(Method::POST, "/api/v1/auth/login", &[("x-forwarded-for", "203.0.113.4"), json]);
    let others = async || others_are_served(&other, &stage, "logins").await;
    only_its_own(&heads_without_bodies(&stage, logins, 45, others).await, 20);
    drips_over_many_connections(&stage, &other).await;

    // Uploads that stop after their head have places of their own.
    let uploads = || {
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-forwarded-for", "203.0.113.2"),
            ("content-type", "text/csv"),
        ];
        request(Method::POST, "/api/v1/uploads", &headers)
    };
    let others = async || others_are_served(&other, &stage, "uploads").await;
    only_its_own(&heads_without_bodies(&stage, uploads, 20, others).await, 2);
    // And take none of the hostile tenant's own other calls.
    hostile.admin.get("/api/v1/me").await.expect(200);

    answers_that_nobody_reads(&stage, &other, &hostile).await;
    unread::answers_over_http1(&stage, &other, &hostile).await;
}

/// Connections that send a byte now and then: each looks alive, and none comes to an end.
async fn drips_over_many_connections(stage: &Stage, other: &Tenant) {
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nhost: gateway\r\nx-forwarded-for: 203.0.113.5\r\n\
                content-type: application/json\r\ncontent-length: 5000\r\n\r\n{";
    let drips = (0..45).map(|_| async {
        let mut stream = TcpStream::connect(("127.0.0.1", stage.ports.public)).await.expect("connected");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let (mut from, mut to) = stream.into_split();
        let mut answer = [0; 12];
        let dripping = async {
            while to.write_all(b" ").await.is_ok() {
                // The drip itself, not a wait.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = dripping => unreachable!("it drips for ever"),
            read = from.read_exact(&mut answer) => read.expect("an answer"),
        };
        let text = String::from_utf8_lossy(&answer).into_owned();
        text.rsplit(' ').next().and_then(|code| code.parse::<StatusCode>().ok()).expect("a status")
    });
    let (statuses, ()) = tokio::join!(join_all(drips), others_are_served(other, stage, "drips"));
    only_its_own(&statuses, 20);
}

/// Streams whose window is closed: their answers wait, within the caller's share, until they are cut off.
async fn answers_that_nobody_reads(stage: &Stage, other: &Tenant, hostile: &Tenant) {
    let held = async || measured(stage, Role::Gateway, "globcrm_gateway_held", "Call").await;
    let documents = async || measured(stage, Role::Gateway, "globcrm_gateway_held", "Document").await;
    let bearer = format!("Bearer {}", hostile.access_token);
    hostile.admin.post("/api/v1/contacts", json!({"last_name": "Unread"})).await.expect(201);
    // A large document without credentials, and a small page of a tenant: the first is reset, the second loses its connection.
    // Documents have a whole of their own, which is larger than what is asked for here, and no place among the calls.
    for (path, address, share) in
        [("/api/v1/openapi.json", "203.0.113.6", 0), ("/api/v1/contacts", "203.0.113.2", 6)]
    {
        let mut connection = Http2::connect(stage, 0).await;
        let mut answers = Vec::new();
        for _ in 0..30 {
            let mut headers = vec![("x-forwarded-for", address)];
            if path.ends_with("contacts") {
                headers.push(("authorization", bearer.as_str()));
            }
            // Each has its head before the next is asked: a place that is given back with the head would refuse nobody.
            let answer = connection.head(request(Method::GET, path, &headers), true).await.0;
            answers.push(answer.await);
        }
        let mut bodies = Vec::new();
        let (mut made, mut refused) = (0, 0);
        for answer in answers.into_iter().flatten() {
            match answer.status() {
                StatusCode::OK => made += 1,
                StatusCode::TOO_MANY_REQUESTS => refused += 1,
                other => panic!("{path}: {other}"),
            }
            bodies.push(answer.into_body());
        }
        // While they are cut off others may take their places: what counts is how many there are at once.
        assert!(made >= 1 && (refused >= 1) == (share > 0), "{path}: {made} made, {refused} refused");
        let now = held().await;
        assert!(now <= f64::from(share), "{path}: {now} of {share} are held");
        others_are_served(other, stage, "unread").await;
        until(Duration::from_secs(30), &format!("{path}: what is not read is cut off"), async || {
            held().await + documents().await < 0.5
        })
        .await;
        for mut body in bodies {
            assert!(
                !matches!(body.data().await, Some(Ok(bytes)) if !bytes.is_empty()),
                "{path}: no window, no bytes"
            );
        }
    }
    let reader = at(stage, 6);
    let document = reader.get("/api/v1/openapi.json").await;
    assert!(document.expect(200).is_object());
    hostile.admin.get("/api/v1/contacts").await.expect(200);
    let unread = measured(stage, Role::Gateway, "globcrm_gateway_held", "Unread").await;
    assert!(unread < 1.0, "{unread} bytes are held and nobody asked for them");
}
