//! Step 6: two people move one deal at once.

use reqwest::Method;
use serde_json::json;

use super::Sales;

pub async fn two_move_one_deal_at_once(sales: &Sales) {
    let deal = sales.make(&sales.admin, json!({"name": "Wanted by two"})).await;
    let path = format!("/api/v1/deals/{deal}");
    let etag = sales.admin.get(&path).await.header("etag").expect("an ETag").to_owned();
    let go = |stage: &str, reason: &str| {
        let body = json!({"stage_id": sales.stage(stage), "reason": reason, "fields": if stage == "lost" { json!({"lost_reason": "price"}) } else { json!({}) }});
        sales.admin.call(Method::POST, &format!("{path}:move")).header("if-match", &etag).json(&body).send()
    };
    let (on, lost) = tokio::join!(go("trial", "we go on"), go("lost", "we give up"));
    let (won, late) = if on.status == 200 { (on, lost) } else { (lost, on) };
    let won = won.expect(200);
    let refused = late.refused(412, "VERSION_STALE");
    // Whoever was late gets the state of now, to decide anew by it.
    let conflicts = refused["conflicts"].as_array().expect("conflicts");
    let stage = conflicts.iter().find(|conflict| conflict["field"] == "stage_id").expect("the stage");
    assert_eq!(stage["current"], won["stage_id"], "{refused}");
    let entries = sales.history(&deal).await;
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!(entries[1]["to"]["key"], won["stage_key"]);
}
