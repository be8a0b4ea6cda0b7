//! Timelines are written, purged and made anew at the same time, and nobody waits in a circle.

use anyhow::Result;
use auth::VerifiedTenant;
use events::{Delivery, Handler};
use serde_json::{Value, json};

use super::timeline::{event, hear};
use super::timeline_anew::entries;
use super::world::World;
use crate::database::blocked;
use crate::waiting;

/// A lock of the test's own transaction is all that holds the others up.
const BOUND: std::time::Duration = std::time::Duration::from_secs(20);

#[tokio::test]
async fn purges_of_linked_records_and_a_rebuild_wait_for_each_other_in_one_order() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let [ada, acme] = ["contact", "company"].map(|object| world.known.add(object));
    let tie = [("companies", Value::Null, json!({"company_id": acme}))];
    let created = event(&world, &admin, ("contact", &ada), "created", &tie);
    hear(&world, &[event(&world, &admin, ("company", &acme), "created", &[]), created]).await?;
    let title = [("job_title", Value::Null, "CTO".into())];
    let update = event(&world, &admin, ("contact", &ada), "updated", &title);
    let name = [("name", Value::Null, "Acme".into())];
    let renamed = event(&world, &admin, ("company", &acme), "updated", &name);
    let purges = [("contact", &ada), ("company", &acme)]
        .map(|(object, id)| event(&world, &admin, (object, id), "purged", &[]));

    // One event of each is being taken: whoever comes next waits.
    let listener = activities::TimelineListener { clock: world.clock.clone() };
    let mut holder = world.tx(admin.tenant).await?;
    for event in [update, renamed] {
        listener.handle(&mut holder, &Delivery { event, attempt: 1 }).await?;
    }
    let waiting = async |number: i64| -> Result<()> {
        let mut sql = world.sql().await?;
        waiting::until(BOUND, &format!("{number} wait"), async || {
            blocked(&mut sql, "pg_advisory_xact_lock").await.expect("activity can be read") >= number
        })
        .await;
        Ok(())
    };
    let first = hear(&world, &purges[..1]);
    let second = async {
        waiting(1).await?;
        hear(&world, &purges[1..]).await
    };
    let rebuild = async {
        waiting(2).await?;
        let tenant = VerifiedTenant::from_claim(admin.tenant);
        Ok::<_, anyhow::Error>(activities::rebuild_timeline(&world.db, tenant).await?)
    };
    let release = async {
        waiting(3).await?;
        Ok::<_, anyhow::Error>(holder.commit().await?)
    };
    let (first, second, rebuild, release) = tokio::join!(first, second, rebuild, release);
    first?;
    second?;
    rebuild?;
    release?;
    assert!(entries(&world, &admin).await?.is_empty(), "both are gone, and nothing came back");
    Ok(())
}
