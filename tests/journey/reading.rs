//! Steps 4 and 6: lists, pages, search, counts; and what others see of it.

use std::collections::BTreeSet;

use serde_json::json;

use super::writing::Imported;
use super::{Journey, ids};
use crate::client::{all_pages, query};
use crate::stage::text;

/// Step 4: filter on a custom and a standard field, ordered by a custom field with nulls and ties: each row once.
pub async fn page_through_everything(journey: &Journey, imported: &Imported) {
    let admin = &journey.a.admin;
    for order in
        ["custom.renewal_date desc", "custom.renewal_date", "custom.seats, last_name desc", "created_at desc"]
    {
        let rows = all_pages(admin, "contacts", &[("order_by", order)], "37").await;
        let unique: BTreeSet<String> = rows.iter().map(|c| text(&c["id"])).collect();
        assert_eq!((rows.len(), unique.len()), (imported.contacts, imported.contacts), "order_by={order}");
    }
    let pairs = [
        ("order_by", "custom.renewal_date desc"),
        ("filter", "custom.tier = \"gold\" AND last_name = \"Meyer\""),
    ];
    let found = all_pages(admin, "contacts", &pairs, "7").await;
    let everything = all_pages(admin, "contacts", &[], "200").await;
    let expected: BTreeSet<String> = everything
        .iter()
        .filter(|c| c["custom"]["tier"] == "gold" && c["last_name"] == "Meyer")
        .map(|c| text(&c["id"]))
        .collect();
    assert!(!expected.is_empty());
    assert_eq!(found.iter().map(|c| text(&c["id"])).collect::<BTreeSet<_>>(), expected);
    assert_eq!(found.len(), expected.len());
    // Descending with nulls last.
    let dates: Vec<Option<&str>> = found.iter().map(|c| c["custom"]["renewal_date"].as_str()).collect();
    let set: Vec<&str> = dates.iter().flatten().copied().collect();
    assert!(set.windows(2).all(|w| w[0] >= w[1]), "{dates:?}");
    assert!(dates[..set.len()].iter().all(Option::is_some), "a null before a value: {dates:?}");

    // A token is good for the list it came from and no other.
    let page = admin
        .get(&format!("/api/v1/contacts{}", query(&[("page_size", "5"), ("order_by", "created_at")])))
        .await;
    let token = text(&page.expect(200)["next_page_token"]);
    let other = query(&[("page_size", "5"), ("order_by", "created_at desc"), ("page_token", &token)]);
    admin.get(&format!("/api/v1/contacts{other}")).await.refused(400, "PAGE_TOKEN_MISMATCH");
    let same = query(&[("page_size", "5"), ("order_by", "created_at"), ("page_token", &token)]);
    journey.b.admin.get(&format!("/api/v1/contacts{same}")).await.refused(400, "PAGE_TOKEN_MISMATCH");
    for size in ["0", "201", "x"] {
        let answer = admin.get(&format!("/api/v1/contacts?page_size={size}")).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
    }
}

pub async fn search_and_count(journey: &Journey) {
    let admin = &journey.a.admin;
    // Prefix search, without regard to case and accents.
    let found = all_pages(admin, "contacts", &[("filter", "last_name:\"ang\"")], "200").await;
    assert!(!found.is_empty());
    assert!(found.iter().all(|c| c["last_name"] == "Ångström"), "{found:?}");
    let pairs = [("filter", "custom.tier = \"gold\""), ("count", "exact"), ("page_size", "1")];
    let page = admin.get(&format!("/api/v1/contacts{}", query(&pairs))).await.expect(200);
    let gold = all_pages(admin, "contacts", &pairs[..1], "200").await.len();
    assert_eq!(page["total"], json!({"value": gold, "kind": "exact"}));
    let pairs =
        [("fields", "id,last_name,custom.tier"), ("page_size", "1"), ("filter", "custom.tier = \"gold\"")];
    let page = admin.get(&format!("/api/v1/contacts{}", query(&pairs))).await.expect(200);
    let members: BTreeSet<&String> = page["contacts"][0].as_object().expect("a contact").keys().collect();
    assert_eq!(members.into_iter().collect::<Vec<_>>(), ["custom", "id", "last_name"]);
    assert_eq!(page["contacts"][0]["custom"], json!({"tier": "gold"}));
    let unknown = query(&[("filter", "nonsense = 1")]);
    let answer = admin.get(&format!("/api/v1/contacts{unknown}")).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
}

/// Step 6.
pub async fn the_other_tenant_and_the_rep_see_nothing(journey: &Journey) {
    let (admin, rep) = (&journey.a.admin, &journey.rep.client);
    let body = json!({"last_name": "Secret", "custom": {"tier": "gold", "budget": {"amount_minor": 987_654, "currency": "EUR"}}});
    let of_admin = text(&admin.post("/api/v1/contacts", body).await.expect(201)["id"]);
    let random = "019505d5-7f00-7000-8000-000000000000";
    for other in [&journey.b.admin, rep] {
        let get = |id: &str| format!("/api/v1/contacts/{id}");
        let (hidden, missing) = (other.get(&get(&of_admin)).await, other.get(&get(random)).await);
        hidden.refused(404, "CONTACT_NOT_FOUND");
        assert_eq!(hidden.without_instance(), missing.without_instance());
        let change = json!({"job_title": "X"});
        let (hidden, missing) =
            (other.patch(&get(&of_admin), change.clone()).await, other.patch(&get(random), change).await);
        assert_eq!((hidden.status, hidden.without_instance()), (404, missing.without_instance()));
        let (hidden, missing) = (other.delete(&get(&of_admin)).await, other.delete(&get(random)).await);
        assert_eq!((hidden.status, hidden.without_instance()), (404, missing.without_instance()));
    }
    // Lists and counts show the rep nothing of it.
    let page = rep.get(&format!("/api/v1/contacts{}", query(&[("count", "exact")]))).await.expect(200);
    assert!(ids(&page).is_empty() && page["total"]["value"] == 0, "{page}");

    // `budget` does not exist for the rep: not in records, filters, orders, writes, conflicts, replays.
    let mine = rep
        .post("/api/v1/contacts", json!({"last_name": "Mine", "custom": {"tier": "gold"}}))
        .await
        .expect(201);
    let mine = text(&mine["id"]);
    let path = format!("/api/v1/contacts/{mine}");
    let change = json!({"custom": {"budget": {"amount_minor": 555_444, "currency": "EUR"}}});
    let changed = admin.patch(&path, change).await.expect(200);
    assert_eq!(changed["custom"]["budget"]["amount_minor"], 555_444);
    let seen = rep.get(&path).await;
    assert!(
        seen.expect(200)["custom"].get("budget").is_none() && !seen.text.contains("555444"),
        "{}",
        seen.text
    );
    for (known, unknown) in [("custom.budget = \"1.00 EUR\"", "custom.nosuch = \"1.00 EUR\"")] {
        let ask = |filter: &str| format!("/api/v1/contacts{}", query(&[("filter", filter)]));
        let (hidden, missing) = (rep.get(&ask(known)).await, rep.get(&ask(unknown)).await);
        assert_eq!(hidden.status, 400, "{}", hidden.text);
        assert_eq!(hidden.without_instance().replace("budget", "nosuch"), missing.without_instance());
    }
    let order = |key: &str| format!("/api/v1/contacts{}", query(&[("order_by", key)]));
    let (hidden, missing) = (rep.get(&order("custom.budget")).await, rep.get(&order("custom.nosuch")).await);
    assert_eq!(hidden.without_instance().replace("budget", "nosuch"), missing.without_instance());
    let write =
        |key: &str| json!({"last_name": "W", "custom": {key: {"amount_minor": 1, "currency": "EUR"}}});
    let (hidden, missing) = (
        rep.post("/api/v1/contacts", write("budget")).await,
        rep.post("/api/v1/contacts", write("nosuch")).await,
    );
    assert_eq!(hidden.status, 422, "{}", hidden.text);
    assert_eq!(hidden.without_instance().replace("budget", "nosuch"), missing.without_instance());
    // A stale write: the conflict names what changed, but not the hidden field.
    let stale = rep
        .call(reqwest::Method::PATCH, &path)
        .header("if-match", "\"1\"")
        .json(&json!({"job_title": "CTO"}));
    let stale = stale.send().await;
    stale.refused(412, "VERSION_STALE");
    assert!(!stale.text.contains("budget") && !stale.text.contains("555444"), "{}", stale.text);
}
