//! Step 3: a task that is linked to a deal and a contact. Activities dies while it is completed.

use reqwest::Method;
use serde_json::json;
use testkit::fleet::Role;

use super::Sales;
use super::killed::killed_during;
use crate::stage::{Stage, text};

/// Gives the task's id.
pub async fn a_task_is_completed_once(stage: Option<&mut Stage>, sales: &Sales) -> String {
    let admin = &sales.admin;
    let links = json!([{"object": "deal", "id": sales.deal, "role": "subject"}, {"object": "contact", "id": sales.contact}]);
    let body = json!({"kind": "task", "subject": "Ask for the budget", "due_at": "2031-05-01T09:00:00Z", "links": links});
    let task = admin.post("/api/v1/activities", body).await.expect(201);
    assert_eq!((&task["state"], &task["overdue"]), (&json!("planned"), &json!(false)), "{task}");
    let id = text(&task["id"]);
    let path = format!("/api/v1/activities/{id}");
    let answer = admin.post(&format!("{path}:complete"), json!({})).await;
    answer.refused(422, "VALIDATION_FAILED");
    assert_eq!(answer.violations(), [("/outcome".to_owned(), "REQUIRED_FOR_STATE".to_owned())]);

    let etag = admin.get(&path).await.header("etag").expect("an ETag").to_owned();
    let complete = || {
        let call = admin.call(Method::POST, &format!("{path}:complete")).header("if-match", &etag);
        call.json(&json!({"outcome": "They have 12,500 euros"})).try_send()
    };
    let completed = killed_during(stage, Role::Activities, complete).await.expect(200);
    assert_eq!(
        (&completed["state"], &completed["outcome"], &completed["version"]),
        (&json!("completed"), &json!("They have 12,500 euros"), &json!(2)),
        "{completed}"
    );
    let refused =
        admin.post(&format!("{path}:reopen"), json!({})).await.refused(409, "TRANSITION_NOT_ALLOWED");
    assert_eq!(refused["meta"], json!({"state": "completed", "event": "reopen"}), "{refused}");
    assert_eq!(refused["allowed"], json!([]), "{refused}");
    admin.patch(&path, json!({"subject": "Another"})).await.refused(409, "ACTIVITY_CLOSED");

    // The contact was last spoken to then.
    let contact = format!("/api/v1/contacts/{}", sales.contact);
    crate::waiting::outcome(super::HEARD, "the contact has heard of it", async || {
        let last = admin.get(&contact).await.expect(200)["last_activity_at"].clone();
        if last == completed["completed_at"] { Ok(()) } else { Err(last) }
    })
    .await;
    id
}
