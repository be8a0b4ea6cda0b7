//! Limits under attack: guessed keys, and a Redis that comes and goes.

use std::time::Instant;

use serde_json::json;
use testkit::fleet::Role;

use super::places::measured;
use crate::client::Client;
use crate::stage::{Stage, sign_up, text};

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
    a_redis_that_comes_and_goes_lets_nobody_through(&stage).await;
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
