//! Reminders: each once, late rather than never, and none of what is over.

use std::ops::Deref;
use std::time::Duration;

use activities::Reminding;
use anyhow::Result;
use events::Event;
use proto::activities::v1 as pb;
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use super::world::{ALL, Caller, World, planned};
use crate::database::execute;

/// The job sees every tenant of a database, so its tests take turns.
static TURN: Mutex<()> = Mutex::const_new(());

struct Alone {
    world: World,
    _turn: MutexGuard<'static, ()>,
}

impl Deref for Alone {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Alone {
    async fn new() -> Result<Self> {
        let (turn, world) = (TURN.lock().await, World::new().await?);
        execute(&mut world.sql().await?, "TRUNCATE activities.reminder_due").await?;
        Ok(Self { world, _turn: turn })
    }

    fn job(&self) -> Result<Reminding> {
        Ok(Reminding {
            db: self.db.clone(),
            worker: self.worker()?,
            clock: self.clock.clone(),
            wake: events::Wake::default(),
        })
    }

    /// The minutes of the reminders of an activity that have been told, in their order.
    async fn told(&self, id: &str) -> Result<Vec<i64>> {
        let events = self.events_of(id).await?;
        let minutes = events.iter().map(|event| {
            let after = event.changes[0].after.as_deref().unwrap();
            serde_json::from_str::<serde_json::Value>(after).unwrap()[0]["minutes_before"].as_i64().unwrap()
        });
        Ok(minutes.collect())
    }

    async fn events_of(&self, id: &str) -> Result<Vec<Event>> {
        let envelopes: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT envelope FROM activities.outbox
             WHERE record_id = $1 AND type = 'activities.activity.reminded.v1' ORDER BY seq",
        )
        .bind(Uuid::try_parse(id)?)
        .fetch_all(&mut self.sql().await?)
        .await?;
        Ok(envelopes.iter().map(|bytes| Event::decode(bytes)).collect::<Result<_, _>>()?)
    }

    /// Lets minutes pass, and the job look.
    async fn pass(&self, minutes: u64) -> Result<()> {
        self.time.advance(Duration::from_secs(60 * minutes));
        self.job()?.round().await?;
        Ok(())
    }

    /// The caller, who logs in anew: tokens do not live as long as reminders wait.
    fn again(&self, who: &Caller) -> Result<Caller> {
        self.caller(who.tenant, &ALL)
    }

    /// A task that is due in so many minutes.
    fn task(&self, minutes: i64, before: &[i32]) -> pb::Activity {
        pb::Activity {
            due_at: Some(proto::timestamp(self.clock.now() + time::Duration::minutes(minutes))),
            reminders: before.iter().map(|minutes| pb::Reminder { minutes_before: *minutes }).collect(),
            ..planned("task")
        }
    }
}

#[tokio::test]
async fn each_reminder_is_told_once_when_its_moment_has_come() -> Result<()> {
    let world = Alone::new().await?;
    let admin = world.admin()?;
    let made = admin.create_activity(world.task(60, &[0, 15])).await?;
    let starts_at = Some(proto::timestamp(world.clock.now() + time::Duration::minutes(60)));
    let ends_at = Some(proto::timestamp(world.clock.now() + time::Duration::minutes(90)));
    // Of a meeting, before it begins.
    let reminders = vec![pb::Reminder { minutes_before: 30 }];
    let meeting = pb::Activity { starts_at, ends_at, reminders, ..world.task(5, &[]) };
    let meeting = admin
        .create_activity(pb::Activity { kind: Some(pb::ActivityKind::Meeting.into()), ..meeting })
        .await?;
    world.pass(29).await?;
    assert!(world.told(&made.id).await?.is_empty() && world.told(&meeting.id).await?.is_empty());
    world.pass(1).await?;
    assert_eq!(world.told(&meeting.id).await?, [30]);
    world.pass(15).await?;
    assert_eq!(world.told(&made.id).await?, [15]);
    world.pass(15).await?;
    world.pass(600).await?;
    assert_eq!((world.told(&made.id).await?, world.told(&meeting.id).await?), (vec![15, 0], vec![30]));
    let event = &world.events_of(&made.id).await?[0];
    assert_eq!((event.version, event.actor, event.owner), (1, admin.id, Some(admin.id)));
    assert_eq!(event.changes[0].field, "reminders");
    // Nothing about the activity has changed.
    assert_eq!(world.again(&admin)?.activity(&made.id).await?.version, 1);
    Ok(())
}

#[tokio::test]
async fn a_reminder_is_late_rather_than_never() -> Result<()> {
    let world = Alone::new().await?;
    let admin = world.admin()?;
    let made = admin.create_activity(world.task(60, &[10, 20])).await?;
    // Planned when it should have been reminded of already, and when it was over already.
    let near = admin.create_activity(world.task(5, &[30])).await?;
    let past = admin.create_activity(world.task(-5, &[30])).await?;
    // Nobody looked for a week.
    world.pass(7 * 24 * 60).await?;
    let mut told = world.told(&made.id).await?;
    told.sort_unstable();
    assert_eq!(
        (told, world.told(&near.id).await?, world.told(&past.id).await?),
        (vec![10, 20], vec![30], vec![])
    );
    world.pass(60).await?;
    assert_eq!(world.told(&made.id).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_job_that_is_cut_off_anywhere_tells_each_reminder_once() -> Result<()> {
    let world = Alone::new().await?;
    let mut made = Vec::new();
    for _ in 0..3 {
        let admin = world.admin()?;
        for _ in 0..5 {
            made.push(admin.create_activity(world.task(10, &[1, 2])).await?.id);
        }
    }
    world.time.advance(Duration::from_secs(3600));
    let (mut polls, mut is_done) = (0_u32, false);
    while !is_done {
        polls += 1;
        let job = world.job()?;
        let mut round = Box::pin(job.round());
        // Cut off after so many wake-ups.
        for _ in 0..polls {
            if tokio::time::timeout(Duration::from_micros(300), &mut round).await.is_ok() {
                is_done = true;
                break;
            }
        }
    }
    // Two at once find nothing left, and one more.
    let (one, other) = (world.job()?, world.job()?);
    let (first, second) = tokio::join!(one.round(), other.round());
    assert!(!first? && !second?);
    for id in &made {
        let mut told = world.told(id).await?;
        told.sort_unstable();
        assert_eq!(told, [1, 2]);
    }
    Ok(())
}

#[tokio::test]
async fn two_replicas_tell_each_reminder_once() -> Result<()> {
    let world = Alone::new().await?;
    let admin = world.admin()?;
    let mut made = Vec::new();
    for _ in 0..20 {
        made.push(admin.create_activity(world.task(10, &[1])).await?.id);
    }
    world.time.advance(Duration::from_secs(3600));
    let (one, other) = (world.job()?, world.job()?);
    let (first, second) = tokio::join!(one.round(), other.round());
    first?;
    second?;
    for id in &made {
        assert_eq!(world.told(id).await?, [1]);
    }
    Ok(())
}

#[tokio::test]
async fn another_moment_brings_its_own_reminders() -> Result<()> {
    let world = Alone::new().await?;
    let admin = world.admin()?;
    let made = admin.create_activity(world.task(60, &[15])).await?;
    let later = admin.change_activity(&made.id, world.task(120, &[]), &["due_at"]).await?;
    assert_eq!(later.reminders.len(), 1);
    world.pass(60).await?;
    assert!(world.told(&made.id).await?.is_empty(), "it was put off");
    world.pass(45).await?;
    assert_eq!(world.told(&made.id).await?, [15]);
    // A change of something else, or of the reminders, does not tell again what was told.
    let admin = world.again(&admin)?;
    let other = pb::Activity { subject: Some("Other".to_owned()), ..Default::default() };
    admin.change_activity(&made.id, other, &["subject"]).await?;
    admin.change_activity(&made.id, world.task(0, &[15, 5]), &["reminders"]).await?;
    world.pass(10).await?;
    assert_eq!(world.told(&made.id).await?, [15, 5]);
    // Put off again after both were told: both are told again.
    let admin = world.again(&admin)?;
    admin.change_activity(&made.id, world.task(600, &[]), &["due_at"]).await?;
    world.pass(24 * 60).await?;
    let mut told = world.told(&made.id).await?;
    told[2..].sort_unstable();
    assert_eq!(told, [15, 5, 5, 15]);
    Ok(())
}

#[tokio::test]
async fn nobody_is_reminded_of_what_is_over_or_in_the_trash() -> Result<()> {
    let world = Alone::new().await?;
    let admin = world.admin()?;
    let mut made = Vec::new();
    for _ in 0..4 {
        made.push(admin.create_activity(world.task(60, &[15])).await?.id);
    }
    admin.happen(&made[0], "complete", &["outcome"]).await?;
    admin.happen(&made[1], "cancel", &["reason"]).await?;
    admin.delete_activity(&made[2]).await?;
    admin.change_activity(&made[3], pb::Activity::default(), &["reminders"]).await?;
    world.pass(120).await?;
    for id in &made {
        assert!(world.told(id).await?.is_empty());
    }
    // It comes back: late rather than never, and once.
    let admin = world.again(&admin)?;
    admin.restore_activity(&made[2]).await?;
    world.pass(1).await?;
    world.pass(1).await?;
    assert_eq!(world.told(&made[2]).await?, [15]);
    Ok(())
}

#[tokio::test]
async fn a_tenant_with_any_number_of_reminders_keeps_no_other_waiting() -> Result<()> {
    let world = Alone::new().await?;
    let (busy, quiet) = (world.admin()?, world.admin()?);
    let one = busy.create_activity(world.task(10, &[5])).await?;
    let theirs = quiet.create_activity(world.task(10, &[4])).await?;
    let id = Uuid::try_parse(&one.id)?;
    let mut sql = world.sql().await?;
    sqlx::query(
        "WITH made AS (
             INSERT INTO activities.activities
             SELECT r.* FROM activities.activities AS a, generate_series(1, 1500) AS n,
                 LATERAL jsonb_populate_record(a, jsonb_build_object('id', gen_random_uuid(), 'n', n)) AS r
             WHERE a.id = $1 RETURNING tenant_id, id)
         INSERT INTO activities.reminder_due SELECT tenant_id, id, 5, now() - interval '1 day' FROM made",
    )
    .bind(id)
    .execute(&mut sql)
    .await?;
    world.time.advance(Duration::from_secs(3600));
    let job = world.job()?;
    assert!(job.round().await?, "there is more to do");
    assert_eq!(world.told(&theirs.id).await?, [4]);
    assert_eq!(world.count(&mut sql, "reminder_due", busy.tenant).await?, 501);
    while job.round().await? {}
    assert_eq!(world.told(&one.id).await?, [5]);
    assert_eq!(world.count(&mut sql, "reminder_due", busy.tenant).await?, 0);
    Ok(())
}
