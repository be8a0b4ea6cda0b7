//! Step 5: a rep sees own deals and activities everywhere, and an amount nowhere.

use serde_json::{Value, json};

use super::{Sales, all};
use crate::client::{Client, query};
use crate::journey::Journey;
use crate::stage::{invite, text};

const OWN: usize = 3;

pub async fn a_rep_sees_own_deals_and_no_amount(anonymous: &Client, journey: &Journey, sales: &Sales) {
    let everything = json!(["create", "read", "update", "delete"]);
    let permissions = json!([
        {"object": "deal", "actions": everything, "scopes": ["own"]},
        {"object": "activity", "actions": everything, "scopes": ["own"]},
        {"object": "pipeline", "actions": ["read"], "scopes": ["all"]},
    ]);
    let fields = json!([{"object": "deal", "field": "amount", "access": "none"}]);
    let rep = invite(anonymous, &journey.a, "seller", permissions, fields).await;
    let mut own = Vec::new();
    for n in 0..OWN {
        let deal = sales.make(&rep.client, json!({"name": format!("Of the rep {n}")})).await;
        // Whoever sees it says what it is worth.
        let amount = json!({"amount": {"amount_minor": 777_777, "currency": "EUR"}});
        sales.admin.patch(&format!("/api/v1/deals/{deal}"), amount).await.expect(200);
        own.push(deal);
    }
    own.sort();
    let mine =
        rep.client.post("/api/v1/activities", json!({"kind": "task", "subject": "Mine"})).await.expect(201);

    let mut seen: Vec<Value> = Vec::new();
    let deals = all(&rep.client, "deals", "").await;
    let mut ids: Vec<String> = deals.iter().map(|deal| text(&deal["id"])).collect();
    ids.sort();
    assert_eq!(ids, own);
    seen.extend(deals);
    let counted = rep.client.get("/api/v1/deals?count=exact&page_size=1").await.expect(200);
    assert_eq!(counted["total"]["value"], OWN, "{counted}");
    let activities = all(&rep.client, "activities", "").await;
    assert_eq!(activities.iter().map(|activity| &activity["id"]).collect::<Vec<_>>(), [&mine["id"]]);
    let board = sales.board(&rep.client).await;
    for (at, column) in board["columns"].as_array().expect("columns").iter().enumerate() {
        let expected = if at == 0 { OWN } else { 0 };
        assert_eq!(column["count"]["value"], expected, "{column}");
        assert_eq!(column["deals"].as_array().map(Vec::len), Some(expected), "{column}");
    }
    seen.push(board);
    let funnel = sales.report(&rep.client, "funnel", &[]).await;
    assert_eq!(funnel["stages"][0]["entered"], OWN, "{funnel}");
    let forecast = sales.report(&rep.client, "forecast", &[]).await;
    assert_eq!(forecast["periods"][0]["count"], OWN, "{forecast}");
    let won = sales.report(&rep.client, "win-loss", &[]).await;
    assert_eq!((&won["won"], &won["lost"]), (&json!(0), &json!(0)), "{won}");
    seen.extend([funnel, forecast, won]);
    for path in ["", "/stage-history", "/timeline"] {
        seen.push(rep.client.get(&format!("/api/v1/deals/{}{path}", own[0])).await.expect(200));
    }
    for answer in &seen {
        let answer = answer.to_string();
        assert!(!answer.contains("amount_minor") && !answer.contains("777777"), "an amount: {answer}");
    }
    // Nor by asking for what has it.
    for asked in [
        [("filter", "amount > \"1.00 EUR\"")],
        [("order_by", "amount")],
        [("filter", "weighted_amount > \"1.00 EUR\"")],
    ] {
        let answer = rep.client.get(&format!("/api/v1/deals{}", query(&asked))).await;
        assert!(matches!(answer.status, 400 | 422), "{} {}", answer.status, answer.text);
    }
    // The others' deals are not there at all.
    let theirs = format!("/api/v1/deals/{}", sales.deal);
    rep.client.get(&theirs).await.expect(404);
    rep.client.get(&format!("{theirs}/stage-history")).await.expect(404);
    let to = json!({"stage_id": sales.stage("trial")});
    rep.client.post(&format!("{theirs}:move"), to).await.expect(404);
}
