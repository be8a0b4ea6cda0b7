//! Limits under attack: guessed keys, and a Redis that comes and goes.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use testkit::fleet::Role;

use super::places::measured;
use crate::client::{Answer, Client, query};
use crate::stage::{Stage, sign_up, text};
use crate::waiting::until;

const ANONYMOUS: usize = 12;
const PRINCIPAL: usize = 40;

fn at(stage: &Stage, last: u8) -> Client {
    stage.anonymous.with_header("x-forwarded-for", &format!("203.0.113.{last}"))
}

async fn exchanges(stage: &Stage) -> f64 {
    measured(
        stage,
        Role::Identity,
        "rpc_server_call_duration_seconds_count",
        "IdentityService/ExchangeApiKey",
    )
    .await
}

/// How many more a window lets through when it moves on while they are made.
fn moved(limit: usize, began: Instant) -> usize {
    1 + (limit as f64 * began.elapsed().as_secs_f64() / 60.0).ceil() as usize
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_work_is_not_done_and_limits_are_hard() {
    let (anonymous, principal) = (ANONYMOUS.to_string(), PRINCIPAL.to_string());
    let variables = [
        ("GLOBCRM_GATEWAY_RATE_ANONYMOUS_PER_MINUTE", anonymous.as_str()),
        ("GLOBCRM_GATEWAY_RATE_PRINCIPAL_PER_MINUTE", principal.as_str()),
        ("GLOBCRM_GATEWAY_TRUST_FORWARDED_FOR", "true"),
    ];
    let stage = tokio::task::block_in_place(|| Stage::start_with(&variables));
    guessed_keys_cost_nothing(&stage).await;
    who_goes_on_after_refusals_waits_for_the_next(&stage).await;
    one_site_has_no_limit_for_each_of_its_networks(&stage).await;
    a_redis_that_comes_and_goes_lets_nobody_through(&stage).await;
}

/// Refusals beyond the first ones are held back, within places of their own: somebody who asks for thousands gets few in a second.
async fn who_goes_on_after_refusals_waits_for_the_next(stage: &Stage) {
    let waiting = async || measured(stage, Role::Gateway, "globcrm_gateway_held", "kind=\"Refusal\"").await;
    assert!(waiting().await < 1.0, "requests wait");
    let (stubborn, began) = (at(stage, 26), Instant::now());
    let asked = futures_util::future::join_all((0..8 * ANONYMOUS).map(|_| stubborn.get("/api/v1/me")));
    let held = until(Duration::from_secs(20), "refusals are held back", async || waiting().await > 0.0);
    let (answers, ()) = tokio::join!(asked, held);
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    assert!(refused >= 8 * ANONYMOUS - ANONYMOUS - moved(ANONYMOUS, began), "{refused} refused");
    assert!(waiting().await < 1.0, "requests wait");
}

/// A minute's requests may not all come at once: beyond the first thousand they have an even pace, whatever the minute has left.
#[tokio::test(flavor = "multi_thread")]
async fn a_minute_is_not_spent_in_a_moment() {
    const LIMIT: usize = 1_500;
    const FREE: usize = 1_000;
    let limit = LIMIT.to_string();
    let variables = [("GLOBCRM_GATEWAY_RATE_PRINCIPAL_PER_MINUTE", limit.as_str())];
    let stage = tokio::task::block_in_place(|| Stage::start_with(&variables));
    let tenant = sign_up(&stage.anonymous, "pace").await;
    let began = Instant::now();
    let ask = async |requests: usize| {
        futures_util::future::join_all((0..requests).map(|_| tenant.admin.get("/api/v1/me"))).await
    };
    let mut passed = 0;
    for _ in 0..FREE / 50 {
        for answer in ask(50).await {
            answer.expect(200);
            passed += 1;
        }
    }
    // Four seconds' worth at once, and what the time until now has paid off: a second's worth waits for its turn, the rest is refused
    // although the minute has room.
    let burst = LIMIT / 15 + LIMIT * began.elapsed().as_secs() as usize / 60;
    let answers = ask(burst.min(LIMIT - FREE - 50)).await;
    // So many at once may also be more than one caller has places for.
    let judged = answers.iter().filter(|a| a.status == 200 || a.json()["reason"] != "PRINCIPAL_SHARE_USED");
    let (served, refused): (Vec<&Answer>, Vec<&Answer>) = judged.partition(|a| a.status == 200);
    passed += served.len();
    let paced = LIMIT * (began.elapsed().as_secs() as usize + 2) / 60;
    assert!(!refused.is_empty() && passed <= FREE + paced, "{passed} passed, {} refused", refused.len());
    for answer in refused {
        assert_eq!(answer.status, 429, "{}", answer.text);
        assert_eq!(answer.json()["reason"], "RATE_LIMITED", "{}", answer.text);
        let left = answer.header("x-ratelimit-remaining").and_then(|v| v.parse::<usize>().ok());
        assert!(left.is_some_and(|left| left > 0), "the minute has room: {:?}", answer.headers);
        let again = answer.header("retry-after").and_then(|v| v.parse::<u64>().ok());
        assert!(again.is_some_and(|seconds| (1..=5).contains(&seconds)), "{:?}", answer.headers);
    }
    // Whoever waits for the answers is slowed and not refused.
    for _ in 0..10 {
        tenant.admin.get("/api/v1/me").await.expect(200);
    }
}

/// Whoever has an IPv6 /48 has 65,536 networks to come from; they have eight times the limit of one, and others their own.
async fn one_site_has_no_limit_for_each_of_its_networks(stage: &Stage) {
    let ask = async |address: String| {
        let client = stage.anonymous.with_header("x-forwarded-for", &address);
        client.with_token("no token").get("/api/v1/me").await
    };
    let began = Instant::now();
    let asked = (0..16 * ANONYMOUS).map(|n| ask(format!("2001:db8:48:{n:x}::1")));
    let answers = futures_util::future::join_all(asked).await;
    let (refused, passed): (Vec<Answer>, Vec<Answer>) = answers.into_iter().partition(|a| a.status == 429);
    assert!(passed.iter().all(|answer| answer.status == 401), "{passed:?}");
    assert!(passed.len() <= 8 * ANONYMOUS + moved(8 * ANONYMOUS, began), "{} passed", passed.len());
    assert!(passed.len() >= 8 * ANONYMOUS, "{} passed", passed.len());
    for answer in &refused {
        let problem = answer.json();
        assert_eq!(
            (&problem["reason"], &problem["meta"]["tier"]),
            (&json!("RATE_LIMITED"), &json!("network"))
        );
    }
    for elsewhere in ["2001:db8:49::1", "198.51.100.48"] {
        assert_eq!(ask(elsewhere.to_owned()).await.status, 401, "{elsewhere}");
    }
}

async fn guessed_keys_cost_nothing(stage: &Stage) {
    let began = Instant::now();
    let before = exchanges(stage).await;
    let guesser = at(stage, 20);
    let (mut bad, mut refused) = (0, 0);
    for n in 0..8 * ANONYMOUS {
        let answer = guesser.with_token(&format!("gck_{n:0>40}")).get("/api/v1/me").await;
        match answer.status {
            401 => bad += 1,
            429 => refused += 1,
            _ => panic!("{} {}", answer.status, answer.text),
        }
    }
    assert!(bad >= 1 && refused >= 1, "{bad} bad, {refused} refused");
    assert!(bad <= ANONYMOUS + moved(ANONYMOUS, began), "{bad} of {ANONYMOUS} were let through");
    let asked = exchanges(stage).await - before;
    assert!(asked <= bad as f64, "identity was asked {asked} times for {bad} guesses that were let through");

    // The same bad key again is known to be bad.
    let stubborn = at(stage, 21).with_token("gck_the-same-again-and-again");
    let before = exchanges(stage).await;
    for _ in 0..ANONYMOUS / 2 {
        assert_eq!(stubborn.get("/api/v1/me").await.status, 401);
    }
    let asked = exchanges(stage).await - before;
    assert!(asked <= 2.0, "one key was asked for {asked} times");

    // A good key is its owner's business: it uses nothing of its address up.
    let tenant = sign_up(&at(stage, 22), "keys").await;
    let body = json!({"name": "Key", "scopes": ["contact.read"]});
    let made = tenant.admin.post("/api/v1/api-keys", body).await.expect(201);
    let address = at(stage, 23);
    for _ in 0..2 * ANONYMOUS {
        address.with_token(&text(&made["secret"])).get("/api/v1/contacts").await.expect(200);
    }
    let left = address.get("/api/v1/me").await;
    assert_eq!(left.status, 401, "{}", left.text);
    assert_eq!(left.header("x-ratelimit-remaining"), Some((ANONYMOUS - 1).to_string().as_str()));
}

/// Somebody at the same address guesses until the address may do nothing more, and goes on; a key that is in use there goes on being
/// used, also when it must be traded again.
#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_who_guesses_shuts_no_key_out() {
    let anonymous = ANONYMOUS.to_string();
    let variables = [
        ("GLOBCRM_GATEWAY_RATE_ANONYMOUS_PER_MINUTE", anonymous.as_str()),
        ("GLOBCRM_GATEWAY_TRUST_FORWARDED_FOR", "true"),
    ];
    let stage = tokio::task::block_in_place(|| Stage::start_with(&variables));
    let tenant = sign_up(&at(&stage, 24), "neighbour").await;
    let body = json!({"name": "Key", "scopes": ["contact.read"]});
    let made = tenant.admin.post("/api/v1/api-keys", body).await.expect(201);
    let address = at(&stage, 25);
    let owner = address.with_token(&text(&made["secret"]));
    owner.get("/api/v1/contacts").await.expect(200);
    let before = exchanges(&stage).await;
    let (mut guesses, mut asked_for) = (0_u32, 0_u32);
    until(Duration::from_secs(90), "the key is traded again", async || {
        // Whatever the window has come to allow again is guessed away.
        loop {
            guesses += 1;
            let guess = address.with_token(&format!("gck_{guesses:n>40}")).get("/api/v1/me").await;
            match guess.status {
                401 => asked_for += 1,
                429 => break,
                other => panic!("{other} {}", guess.text),
            }
        }
        owner.get("/api/v1/contacts").await.expect(200);
        exchanges(&stage).await - before > f64::from(asked_for)
    })
    .await;
}

/// A list that looks at every record costs more than one that an index answers: its answer says so, and what is left of the minute
/// goes down by as much.
#[tokio::test]
async fn an_expensive_list_is_charged_what_it_costs() {
    const ROWS: usize = 1_000;
    const COST: u32 = 1 + (25 * ROWS / 10_000) as u32;
    let stage = Stage::shared().await;
    let tenant = stage.tenant("cost").await;
    let field = json!({"key": "word", "label": "Word", "type": "text"});
    tenant.admin.post("/api/v1/objects/contact/fields", field).await.expect(201);
    let csv: String =
        std::iter::once("Name\n".to_owned()).chain((0..ROWS).map(|n| format!("P{n}\n"))).collect();
    let upload = tenant.admin.call(Method::POST, "/api/v1/uploads");
    let upload = upload.bytes("text/csv", csv.into_bytes()).send().await.expect(201);
    let mapping = json!([{"column": "Name", "field": "last_name"}]);
    let body = json!({"upload_id": upload["id"], "object": "contact", "mapping": mapping});
    let started = tenant.admin.post("/api/v1/imports", body).await.expect(202);
    let path = format!("/api/v1/operations/{}", text(&started["id"]));
    until(Duration::from_secs(60), "the records are there", async || {
        tenant.admin.get(&path).await.expect(200)["state"] == "succeeded"
    })
    .await;
    let filter: Vec<String> = (0..25).map(|n| format!("custom.word=\"w{n}\"")).collect();
    let expensive = format!("/api/v1/contacts{}", query(&[("filter", &filter.join(" OR "))]));
    let number = |answer: &Answer, name: &str| {
        answer.expect(200);
        answer.header(name).and_then(|value| value.parse::<u32>().ok()).expect("a number")
    };
    let mut cheap = tenant.admin.get("/api/v1/contacts?page_size=1").await;
    assert_eq!(number(&cheap, "x-request-cost"), 1);
    // In the moment in which a window moves on there may be more left than before.
    until(Duration::from_secs(20), "the minute goes down by the cost", async || {
        let before = number(&cheap, "x-ratelimit-remaining");
        let listed = tenant.admin.get(&expensive).await;
        assert_eq!(number(&listed, "x-request-cost"), COST);
        let told = number(&listed, "x-ratelimit-remaining");
        cheap = tenant.admin.get("/api/v1/contacts?page_size=1").await;
        told == before - COST && number(&cheap, "x-ratelimit-remaining") == told - 1
    })
    .await;
}

async fn a_redis_that_comes_and_goes_lets_nobody_through(stage: &Stage) {
    let tenant = sign_up(&at(stage, 30), "redis").await;
    let began = Instant::now();
    let mut passed = 0;
    for round in 0..8 {
        let redis = stage.backing.redis();
        tokio::task::block_in_place(|| if round % 2 == 0 { redis.resume() } else { redis.pause() })
            .expect("Redis is told");
        for _ in 0..PRINCIPAL / 4 {
            let answer = tenant.admin.get("/api/v1/me").await;
            match answer.status {
                200 => passed += 1,
                429 => {}
                _ => panic!("{} {}", answer.status, answer.text),
            }
        }
    }
    tokio::task::block_in_place(|| stage.backing.redis().resume()).expect("Redis goes on");
    let most = PRINCIPAL + moved(PRINCIPAL, began);
    assert!(passed <= most, "{passed} of {PRINCIPAL} were let through, {most} would have been right");
}
