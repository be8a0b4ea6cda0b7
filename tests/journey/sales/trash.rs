//! Step 6: the contact of a deal and of a task goes to the trash, comes back, and goes for good.

use serde_json::{Value, json};
use testkit::fleet::Role;

use super::{HEARD, Sales};
use crate::journey::Journey;
use crate::stage::Stage;
use crate::waiting;

pub async fn a_contact_goes_and_comes_back_and_goes_for_good(
    stage: Option<&mut Stage>,
    journey: &Journey,
    sales: &Sales,
    task: &str,
) {
    let contact = format!("/api/v1/contacts/{}", sales.contact);
    shown(sales, task, &json!(false)).await;
    sales.admin.delete(&contact).await.expect(204);
    shown(sales, task, &json!(true)).await;
    sales.admin.post(&format!("{contact}:restore"), json!({})).await.expect(200);
    shown(sales, task, &json!(false)).await;
    sales.admin.delete(&contact).await.expect(204);
    shown(sales, task, &json!(true)).await;
    let Some(stage) = stage else { return };
    // Its time in the trash is over.
    for sooner in [
        "UPDATE records.contacts SET deleted_at = deleted_at - interval '31 days' WHERE tenant_id = $1::text::uuid AND id = $2::text::uuid",
        "UPDATE records.purge_due SET counted_from = counted_from - interval '31 days' WHERE tenant_id = $1::text::uuid AND record_id = $2::text::uuid",
    ] {
        let query = sqlx::query(sooner).bind(&journey.a.id).bind(&sales.contact);
        assert_eq!(query.execute(&mut stage.sql().await).await.expect("the contact").rows_affected(), 1);
    }
    // Who starts looks for what is over; the next look is ten minutes later.
    stage.fleet.kill9(Role::Records).expect("killed");
    tokio::task::block_in_place(|| stage.fleet.restart(Role::Records)).expect("started again");
    shown(sales, task, &Value::Null).await;
}

/// Waits until deal and task show the contact so: live, deleted, or not at all.
async fn shown(sales: &Sales, task: &str, deleted: &Value) {
    let state = |entries: &Value, id: &str| -> Value {
        let entry =
            entries.as_array().into_iter().flatten().find(|entry| entry[id] == sales.contact.as_str());
        entry.map_or(Value::Null, |entry| json!(entry["deleted"] == true))
    };
    let what = format!("the contact is shown with deleted = {deleted}");
    waiting::outcome(HEARD, &what, async || {
        let deal = sales.deal(&sales.deal).await;
        let task = sales.admin.get(&format!("/api/v1/activities/{task}")).await.expect(200);
        let now = [state(&deal["contacts"], "contact_id"), state(&task["links"], "id")];
        if now.iter().all(|state| state == deleted) { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
}
