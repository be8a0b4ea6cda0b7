//! Rate limits and the throttle of logins, with Redis and without it, and what a dead service looks like.
//!
//! On a fleet of its own with limits small enough to reach; every caller comes from an address of its own.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use serde_json::json;
use testkit::fleet::Role;

use super::problem;
use crate::client::{Answer, Client};
use crate::stage::{PASSWORD, Stage, Tenant, sign_up};
use crate::waiting::until;

const LIMIT: usize = 12;

/// A client at an address that nobody else has (RFC 5737): Redis is that of all suites, and remembers for two minutes what those of
/// `attacks` have used up at theirs, which are in 203.0.113.0/24.
fn newcomer(stage: &Stage) -> Client {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    // What a client claims before its proxy is not believed: only the last entry counts.
    let address = format!("198.51.100.7, 192.0.2.{}", NEXT.fetch_add(1, Ordering::Relaxed));
    stage.anonymous.with_header("x-forwarded-for", &address)
}

/// Answers to calls made at once: those let through, and those refused.
pub(super) async fn at_once(client: &Client, path: &str, calls: usize) -> (Vec<Answer>, Vec<Answer>) {
    let answers = futures_util::future::join_all((0..calls).map(|_| client.get(path))).await;
    answers.into_iter().partition(|a| a.status != 429)
}

#[track_caller]
fn admitted(passed: &[Answer], refused: &[Answer], status: u16) {
    for answer in passed {
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    for answer in refused {
        problem(answer, 429, "RATE_LIMITED");
        let seconds = |name: &str| answer.header(name).and_then(|v| v.parse::<u64>().ok());
        assert!(seconds("retry-after").is_some_and(|s| (1..=60).contains(&s)), "{:?}", answer.headers);
        assert_eq!(answer.header("x-ratelimit-limit"), Some(LIMIT.to_string().as_str()));
        assert_eq!(answer.header("x-ratelimit-remaining"), Some("0"));
    }
    // One more where a minute ended between the calls: the last window's share is rounded down.
    assert!(
        (LIMIT..=LIMIT + 1).contains(&passed.len()),
        "{} of {LIMIT} admitted, refused as {:?}",
        passed.len(),
        refused.first().map(|answer| &answer.text)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_with_redis_and_without_it() {
    charges_are_shared_and_the_limit_holds().await;
    let limit = LIMIT.to_string();
    let variables = [
        ("GLOBCRM_GATEWAY_RATE_PRINCIPAL_PER_MINUTE", limit.as_str()),
        ("GLOBCRM_GATEWAY_RATE_ANONYMOUS_PER_MINUTE", limit.as_str()),
        ("GLOBCRM_GATEWAY_TRUST_FORWARDED_FOR", "true"),
    ];
    let stage = tokio::task::block_in_place(|| Stage::start_with(&variables));
    let tenants = [sign_up(&newcomer(&stage), "limit").await, sign_up(&newcomer(&stage), "limit").await];
    let fresh = || newcomer(&stage);

    principals_and_addresses(&tenants[0], &fresh).await;
    let made = logins_are_throttled(&tenants[1], &fresh).await;

    // Without Redis each gateway counts for itself: the same limits, and nobody notices anything else.
    stage.backing.redis().kill9().expect("killed");
    let (passed, refused) = at_once(&fresh(), "/api/v1/me", 3 * LIMIT).await;
    admitted(&passed, &refused, 401);
    // What was made while Redis was there counts on.
    let (mut passed, refused) = at_once(&tenants[1].admin, "/api/v1/me", 3 * LIMIT).await;
    passed.push(made);
    admitted(&passed, &refused, 200);
    until(Duration::from_secs(20), "readiness says degraded", async || {
        // A failure opens the breaker for a second: the gateway must keep failing to be seen as degraded.
        fresh().get("/api/v1/me").await;
        fresh().get("/readyz").await.expect(200)["status"] == "degraded"
    })
    .await;
    tokio::task::block_in_place(|| stage.backing.redis().start_again()).expect("started again");

    // A service that is away is a 503 that says when to come again.
    let third = sign_up(&newcomer(&stage), "limit").await;
    stage.fleet.kill9(Role::Records).expect("killed");
    let answer = third.admin.get("/api/v1/contacts").await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    let reason = answer.json()["reason"].as_str().expect("a reason").to_owned();
    problem(&answer, 503, &reason);
    assert!(answer.header("retry-after").is_some(), "{:?}", answer.headers);
    // A list of operations without those of a service would look whole.
    let answer = third.admin.get("/api/v1/operations").await;
    problem(&answer, 503, &reason);
    assert_eq!(answer.json()["meta"]["service"], "records", "{}", answer.text);
    third.admin.get("/api/v1/me").await.expect(200);
}

async fn principals_and_addresses(tenant: &Tenant, fresh: &impl Fn() -> Client) {
    let first = tenant.admin.get("/api/v1/me").await;
    first.expect(200);
    assert_eq!(first.header("x-ratelimit-limit"), Some(LIMIT.to_string().as_str()));
    assert_eq!(first.header("x-ratelimit-remaining"), Some((LIMIT - 1).to_string().as_str()));
    assert_eq!(first.header("ratelimit-policy"), Some(format!("\"principal\";q={LIMIT};w=60").as_str()));
    assert!(
        first.header("ratelimit").is_some_and(|v| v.starts_with("\"principal\";r=")),
        "{:?}",
        first.headers
    );
    assert_eq!(first.header("x-request-cost"), Some("1"));
    assert!(first.header("retry-after").is_none());
    let (mut passed, refused) = at_once(&tenant.admin, "/api/v1/me", 3 * LIMIT).await;
    passed.push(first);
    admitted(&passed, &refused, 200);
    // Whoever cannot say who they are is counted by address, so that keys cannot be guessed without end.
    for guess in [None, Some("gck_nonsense"), Some("eyJhbGciOiJub25lIn0.e30.")] {
        let stranger = guess.map_or_else(fresh, |token| fresh().with_token(token));
        let (passed, refused) = at_once(&stranger, "/api/v1/me", 3 * LIMIT).await;
        admitted(&passed, &refused, 401);
    }
}

async fn logins_are_throttled(tenant: &Tenant, fresh: &impl Fn() -> Client) -> Answer {
    let email = format!("admin@{}.test", tenant.slug);
    let login = |client: &Client, password: &'static str| {
        let body = json!({"organization": tenant.slug, "email": email, "password": password});
        let client = client.clone();
        async move { client.post("/api/v1/auth/login", body).await }
    };
    let (owner, thief) = (fresh(), fresh());
    for _ in 0..5 {
        problem(&login(&thief, "wrong-password-entirely").await, 401, "CREDENTIALS_INVALID");
    }
    // From there also with the right password.
    for password in ["wrong-password-entirely", PASSWORD] {
        let answer = login(&thief, password).await;
        problem(&answer, 429, "LOGIN_THROTTLED");
        let wait = answer.header("retry-after").and_then(|v| v.parse::<u64>().ok());
        assert!(wait.is_some_and(|s| (1..=60).contains(&s)), "{wait:?}");
    }
    // Another's failures keep no owner out.
    login(&owner, PASSWORD).await.expect(200);
    // Sessions that are open stay open.
    let open = tenant.admin.get("/api/v1/me").await;
    open.expect(200);
    open
}

/// What Redis answers to a command.
fn redis(stage: &Stage, command: &str) -> String {
    let url = stage.backing.redis_url().trim_start_matches("redis://:").trim_end_matches("/0");
    let (password, address) = url.split_once('@').expect("a password and an address");
    let mut connection = std::net::TcpStream::connect(address).expect("Redis answers");
    connection.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
    connection.write_all(format!("AUTH {password}\r\n{command}\r\nQUIT\r\n").as_bytes()).expect("sent");
    let mut text = String::new();
    connection.read_to_string(&mut text).expect("answered");
    text
}

/// Requests charged to the principals of a tenant, in all windows.
fn charged(stage: &Stage, tenant: &str) -> u64 {
    let sum = "local n = 0 for _, k in ipairs(redis.call('KEYS', ARGV[1])) do n = n + redis.call('GET', k) end return n";
    let text = redis(stage, &format!("EVAL \"{sum}\" 0 rl:{{{tenant}}}:p:*"));
    let answer = text.lines().find_map(|line| line.strip_prefix(':'));
    answer.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("no number: {text}"))
}

/// A key has a limit of its own: it uses up neither its user's nor that of another key.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_a_limit_of_its_own() {
    const OF_KEY: usize = 20;
    let variables = [("GLOBCRM_GATEWAY_RATE_API_KEY_PER_MINUTE", "20")];
    let stage = tokio::task::block_in_place(|| Stage::start_with(&variables));
    let tenant = sign_up(&stage.anonymous, "of-key").await;
    let key = async |name: &str| {
        let body = json!({"name": name, "scopes": ["contact.read"]});
        let made = tenant.admin.post("/api/v1/api-keys", body).await.expect(201);
        stage.anonymous.with_token(made["secret"].as_str().expect("a secret"))
    };
    let (busy, other) = (key("busy").await, key("other").await);
    let began = std::time::Instant::now();
    let (passed, refused) = at_once(&busy, "/api/v1/contacts", 3 * OF_KEY).await;
    // While the requests were made the window may have moved on.
    let moved = (OF_KEY as f64 * began.elapsed().as_secs_f64() / 60.0).ceil() as usize;
    assert!((OF_KEY..=OF_KEY + 1 + moved).contains(&passed.len()), "{} passed", passed.len());
    assert_eq!(passed[0].header("x-ratelimit-limit"), Some("20"));
    assert_eq!(passed[0].header("ratelimit-policy"), Some("\"api_key\";q=20;w=60"));
    let refused = refused.first().expect("some are refused");
    problem(refused, 429, "RATE_LIMITED");
    assert_eq!(refused.json()["meta"]["tier"], "api_key", "{}", refused.text);
    other.get("/api/v1/contacts").await.expect(200);
    let own = tenant.admin.get("/api/v1/contacts").await;
    assert_eq!((own.status, own.header("x-ratelimit-limit")), (200, Some("12000")), "{}", own.text);
}

/// Requests one after the other, for which leases of 1, 2, 4 and 8 are charged.
const FEW: usize = 12;

/// A busy caller's requests share charges (ADR 0005), and the limit still holds to the request. Part of the test above, as
/// that one kills Redis.
async fn charges_are_shared_and_the_limit_holds() {
    let variables = [("GLOBCRM_GATEWAY_RATE_PRINCIPAL_PER_MINUTE", "800")];
    let stage = tokio::task::block_in_place(|| Stage::start_with(&variables));
    let tenant = sign_up(&stage.anonymous, "ahead").await;
    // What is charged and not made is given back, also to whoever does not come again. Where Redis was late some were counted by
    // the gateway alone, and fewer are charged.
    for _ in 0..FEW {
        tenant.admin.get("/api/v1/me").await.expect(200);
    }
    until(Duration::from_secs(10), "what is left is given back", async || {
        charged(&stage, &tenant.id) <= FEW as u64
    })
    .await;
    let began = std::time::Instant::now();
    let (mut passed, mut refused) = (FEW, 0);
    let mut remaining = Vec::new();
    for _ in 0..30 {
        let (let_through, denied) = at_once(&tenant.admin, "/api/v1/me", 32).await;
        remaining.extend(
            let_through.iter().filter_map(|a| a.header("x-ratelimit-remaining")?.parse::<u32>().ok()),
        );
        passed += let_through.len();
        refused += denied.len();
    }
    // Where a minute ended between the calls, the window has moved on by the time that they took.
    let moved = (800.0 * began.elapsed().as_secs_f64() / 60.0).ceil() as usize;
    assert!((800..=801 + moved).contains(&passed), "{passed} of 800 admitted, {moved} for the time");
    assert_eq!(passed + refused, FEW + 30 * 32);
    assert_eq!(remaining.iter().min(), Some(&0), "nothing is held back to the end");
}
