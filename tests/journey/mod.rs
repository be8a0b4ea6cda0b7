//! The journey of the first users: sign up, define fields, import contacts, find them again, with everything killed once.

mod crashes;
mod export;
mod ledger;
mod people;
mod reading;
mod sales;
pub(crate) mod writing;

use serde_json::{Value, json};

use crate::client::Client;
use crate::stage::{Member, Stage, Tenant, text};

/// What the steps hand on.
pub struct Journey {
    pub a: Tenant,
    pub b: Tenant,
    /// Sees own contacts only, and no `budget`.
    pub rep: Member,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_journey() {
    let mut stage = tokio::task::spawn_blocking(Stage::start).await.expect("the stage");
    let ledger = ledger::Ledger::open(stage.backing.amqp_url()).await;
    let anonymous = stage.anonymous.clone();
    let journey = Box::pin(from_outside(&anonymous, Some(&mut stage))).await;
    crashes::every_service_dies_once(&mut stage, &journey).await;
    crashes::an_import_survives_the_death_of_records(&mut stage, &journey).await;
    crashes::the_broker_dies(&mut stage, &journey).await;
    ledger.holds_exactly_the_committed_changes(&stage, &[&journey.a, &journey.b]).await;
}

/// What a client sees of the journey. With a stage, processes die on the way; without one it is any fleet at an address.
pub async fn from_outside(anonymous: &Client, stage: Option<&mut Stage>) -> Journey {
    let journey = people::sign_up_and_invite(anonymous).await;
    people::sessions_rotate_and_reuse_is_caught(anonymous, &journey).await;
    define_fields(&journey).await;
    let imported = writing::import_2000(&journey).await;
    reading::page_through_everything(&journey, &imported).await;
    reading::search_and_count(&journey).await;
    sales::day(stage, anonymous, &journey).await;
    writing::one_contact_from_create_to_restore(&journey).await;
    writing::bad_input_tells_everything_at_once(&journey).await;
    reading::the_other_tenant_and_the_rep_see_nothing(&journey).await;
    journey
}

/// Step 2.
async fn define_fields(journey: &Journey) {
    let tiers = json!([{"key": "gold", "label": "Gold"}, {"key": "silver", "label": "Silver"}, {"key": "bronze", "label": "Bronze"}]);
    let definitions = [
        json!({"key": "tier", "label": "Tier", "type": "picklist", "indexed": true, "options": tiers}),
        json!({"key": "seats", "label": "Seats", "type": "integer", "indexed": true}),
        json!({"key": "renewal_date", "label": "Renewal", "type": "date", "indexed": true}),
        json!({"key": "budget", "label": "Budget", "type": "money", "indexed": true}),
    ];
    for definition in definitions {
        let answer = journey.a.admin.post("/api/v1/objects/contact/fields", definition.clone()).await;
        let field = answer.expect(201);
        assert_eq!((&field["key"], &field["state"]), (&definition["key"], &json!("active")), "{field}");
        let path = format!("/api/v1/objects/contact/fields/{}", text(&field["id"]));
        assert_eq!(answer.header("location"), Some(path.as_str()));
        journey
            .a
            .admin
            .post("/api/v1/objects/contact/fields", definition)
            .await
            .refused(409, "FIELD_KEY_TAKEN");
    }
    // Used at once: the very next call knows the field.
    let body = json!({"last_name": "First", "custom": {"tier": "gold", "budget": {"amount_minor": 1, "currency": "EUR"}}});
    let contact = journey.a.admin.post("/api/v1/contacts", body).await.expect(201);
    assert_eq!(contact["custom"]["tier"], "gold", "{contact}");
    journey.a.admin.delete(&format!("/api/v1/contacts/{}", text(&contact["id"]))).await.expect(204);
}

/// The ids of a page.
pub fn ids(page: &Value) -> Vec<String> {
    page["contacts"].as_array().expect("contacts").iter().map(|c| text(&c["id"])).collect()
}
