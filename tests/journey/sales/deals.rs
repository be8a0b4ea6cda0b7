//! Step 1: a deal for an imported contact, a move, and moves that are refused with what is possible instead.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Sales;
use crate::client::query;
use crate::journey::Journey;
use crate::stage::text;

/// The pipeline: no stage is skipped, an offer has an amount, whoever loses says why.
fn document() -> Value {
    json!({
        "stages": [
            {"key": "new", "name": "New", "kind": "open", "probability": 10},
            {"key": "demo", "name": "Demo", "kind": "open", "probability": 30},
            {"key": "proposal", "name": "Proposal", "kind": "open", "probability": 60, "required_fields": ["amount"]},
            {"key": "won", "name": "Won", "kind": "won", "probability": 100},
            {"key": "lost", "name": "Lost", "kind": "lost", "probability": 0, "required_fields": ["lost_reason"]}],
        "rules": {"moves": "any", "allow_skipping": false, "allow_backwards": true},
        "transitions": [{"from": null, "to": "lost", "requires_reason": true}],
    })
}

pub async fn a_company_and_a_deal_for_an_imported_contact(journey: &Journey) -> Sales {
    let admin = journey.a.admin.clone();
    let imported = query(&[("filter", "last_name = \"Meyer\""), ("page_size", "1")]);
    let page = admin.get(&format!("/api/v1/contacts{imported}")).await.expect(200);
    let contact = text(&page["contacts"][0]["id"]);
    let company = admin.post("/api/v1/companies", json!({"name": "Vogel Maschinen"})).await.expect(201);
    let company = text(&company["id"]);
    let link = json!({"company_id": company, "role": "Buyer"});
    admin.post(&format!("/api/v1/contacts/{contact}/companies"), link).await.expect(201);

    let made = json!({"name": "Enterprise", "document": document()});
    let pipeline = admin.post("/api/v1/pipelines", made).await.expect(201);
    assert_eq!(pipeline["published_version"], 1, "{pipeline}");
    let mut sales = Sales {
        admin,
        pipeline: text(&pipeline["id"]),
        stages: BTreeMap::new(),
        contact,
        company,
        deal: String::new(),
    };
    sales.learn(&pipeline);
    let deal = json!({
        "name": "100 seats", "company_id": sales.company, "expected_close_date": "2031-05-20",
        "contacts": [{"contact_id": sales.contact, "role": "decision_maker", "is_primary": true}],
    });
    sales.deal = sales.make(&sales.admin, deal).await;
    let deal = sales.deal(&sales.deal).await;
    assert_eq!(
        (&deal["stage_key"], &deal["status"], &deal["probability"], &deal["pipeline_version"]),
        (&json!("new"), &json!("open"), &json!(10), &json!(1)),
        "{deal}"
    );
    sales
}

pub async fn a_move_that_the_rules_forbid_and_one_that_lacks_a_field(sales: &Sales) {
    let refused = sales.go(&sales.deal, "proposal", None, json!({})).await.refused(409, "MOVE_NOT_ALLOWED");
    assert_eq!(
        refused["meta"],
        json!({"from": "new", "to": "proposal", "rule": "allow_skipping"}),
        "{refused}"
    );
    let allowed = |refused: &Value| -> Vec<String> {
        refused["allowed"].as_array().expect("allowed").iter().map(|stage| text(&stage["key"])).collect()
    };
    assert_eq!(allowed(&refused), ["demo", "lost"], "{refused}");

    let moved = sales.go(&sales.deal, "demo", None, json!({})).await.expect(200);
    assert_eq!((&moved["stage_key"], &moved["probability"]), (&json!("demo"), &json!(30)), "{moved}");
    let answer = sales.go(&sales.deal, "proposal", None, json!({})).await;
    answer.refused(422, "VALIDATION_FAILED");
    assert_eq!(answer.violations(), [("/fields/amount".to_owned(), "REQUIRED_FOR_STAGE".to_owned())]);
    let answer = sales.go(&sales.deal, "lost", None, json!({})).await;
    answer.refused(422, "VALIDATION_FAILED");
    let mut missing = answer.violations();
    missing.sort();
    let expected = [("/fields/lost_reason", "REQUIRED_FOR_STAGE"), ("/reason", "REASON_REQUIRED")];
    assert_eq!(missing, expected.map(|(place, reason)| (place.to_owned(), reason.to_owned())));
    // Nothing of it was done.
    assert_eq!(sales.deal(&sales.deal).await["version"], moved["version"]);

    let amount = json!({"amount": {"amount_minor": 1_250_000, "currency": "EUR"}});
    let moved = sales.go(&sales.deal, "proposal", None, amount).await.expect(200);
    assert_eq!(moved["weighted_amount"], json!({"amount_minor": 750_000, "currency": "EUR"}), "{moved}");
    let keys: Vec<String> =
        sales.history(&sales.deal).await.iter().map(|entry| text(&entry["to"]["key"])).collect();
    assert_eq!(keys, ["new", "demo", "proposal"]);
}
