//! The job by which links follow keeps nobody waiting: neither one tenant for another, nor one record for another.

use anyhow::Result;
use sqlx::PgConnection;
use uuid::Uuid;

use super::world::{Caller, World, about, states};
use crate::database::{Database, execute};

/// Each has a database of its own: the job sees every tenant.
async fn alone(name: &'static str) -> Result<World> {
    World::on(Database::fresh(name, &[activities::MIGRATIONS]).await?)
}

/// Copies a note of one link this many times; each copy names a record of its own, or the same one.
async fn copy(sql: &mut PgConnection, note: &str, copies: i32, same: Option<&str>) -> Result<()> {
    let same = same.map(str::parse::<Uuid>).transpose()?;
    sqlx::query(
        "WITH copy AS MATERIALIZED (
             SELECT gen_random_uuid() AS id, coalesce($3, gen_random_uuid()) AS record_id FROM generate_series(1, $2)),
         made AS (
             INSERT INTO activities.notes (tenant_id, id, version, created_at, created_by, updated_at, updated_by, source,
                 external_ids, tags, body, body_html, links, pinned, custom)
             SELECT n.tenant_id, c.id, n.version, n.created_at, n.created_by, n.updated_at, n.updated_by, n.source,
                 n.external_ids, n.tags, n.body, n.body_html,
                 jsonb_build_array(jsonb_build_object('object', 'contact', 'id', c.record_id)), n.pinned, n.custom
             FROM activities.notes AS n, copy AS c WHERE n.id = $1
             RETURNING tenant_id, id)
         INSERT INTO activities.note_link (tenant_id, note_id, record_id, object)
         SELECT m.tenant_id, m.id, c.record_id, 'contact' FROM made AS m JOIN copy AS c ON c.id = m.id",
    )
    .bind(note.parse::<Uuid>()?)
    .bind(copies)
    .bind(same)
    .execute(sql)
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_tenant_with_any_number_of_due_records_keeps_no_other_waiting() -> Result<()> {
    let world = alone("globcrm_test_following_turns").await?;
    let (busy, quiet) = (world.admin()?, world.admin()?);
    let mut sql = world.sql().await?;
    // Due for longer, and more than any look reads; and more tenants than one statement lists.
    sqlx::query(
        "INSERT INTO activities.peer_record (tenant_id, object, record_id, version, state, actor, heard_at, next_at, is_last)
         SELECT CASE WHEN n <= 20000 THEN $1 ELSE ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid END,
             'contact', gen_random_uuid(), 2, 'deleted', $1, now() - interval '1 hour', now() - interval '1 hour', true
         FROM generate_series(1, 20250) AS n",
    )
    .bind(busy.tenant.uuid())
    .execute(&mut sql)
    .await?;
    let ada = world.known.add("contact");
    let note = quiet.create(about(&[("contact", &ada)])).await?;
    world.hear(quiet.tenant, ("contact", &ada, "deleted"), 2).await?;
    world.reconciler()?.round().await?;
    assert_eq!(states(&quiet.get(&note.id).await?), [(&*ada, true)].into());
    let left = world.count(&mut sql, "peer_record", busy.tenant).await?;
    assert_eq!(
        left,
        20_000 - 2 * 500,
        "a turn is five looks, of which each batch takes two: at notes, and at activities"
    );
    Ok(())
}

#[tokio::test]
async fn a_record_that_very_many_notes_name_keeps_no_other_waiting_and_all_follow() -> Result<()> {
    let world = alone("globcrm_test_following_slices").await?;
    let (busy, quiet) = (world.admin()?, world.admin()?);
    let (ada, bob) = (world.known.add("contact"), world.known.add("contact"));
    let one = busy.create(about(&[("contact", &ada)])).await?;
    let mut sql = world.sql().await?;
    copy(&mut sql, &one.id, 1_299, Some(&ada)).await?;
    let note = quiet.create(about(&[("contact", &bob)])).await?;
    world.hear(busy.tenant, ("contact", &ada, "purged"), 2).await?;
    world.hear(quiet.tenant, ("contact", &bob, "deleted"), 2).await?;
    world.reconciler()?.round().await?;
    let mut left = async || world.count(&mut sql, "note_link", busy.tenant).await;
    assert!(left().await? > 0, "one round takes up a part");
    assert_eq!(states(&quiet.get(&note.id).await?), [(&*bob, true)].into());
    while world.reconciler()?.round().await? > 0 {}
    assert_eq!(left().await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_record_whose_note_cannot_be_changed_keeps_no_other_waiting() -> Result<()> {
    let world = alone("globcrm_test_following_failures").await?;
    let admin = world.admin()?;
    let actor = world.clock.new_uuid();
    let mut notes = Vec::new();
    for _ in 0..3 {
        let id = world.known.add("contact");
        let note = admin.create(about(&[("contact", &id)])).await?;
        world.hear_by(actor, admin.tenant, ("contact", &id, "deleted"), 2).await?;
        notes.push((note.id, id));
    }
    let mut sql = world.sql().await?;
    execute(
        &mut sql,
        format!(
            "ALTER TABLE activities.notes ADD CONSTRAINT stuck CHECK (id <> '{}' OR version = 1)",
            notes[1].0
        ),
    )
    .await?;
    let reconciler = world.reconciler()?;
    while reconciler.round().await? > 0 {}
    // What failed together is tried apart.
    world.time.advance(std::time::Duration::from_secs(61));
    while reconciler.round().await? > 0 {}
    for (n, (note, id)) in notes.iter().enumerate() {
        assert_eq!(states(&admin.get(note).await?), [(&**id, n != 1)].into());
    }
    execute(&mut sql, "ALTER TABLE activities.notes DROP CONSTRAINT stuck").await?;
    world.time.advance(std::time::Duration::from_secs(61));
    while reconciler.round().await? > 0 {}
    assert_eq!(states(&admin.get(&notes[1].0).await?), [(&*notes[1].1, true)].into(), "it is not given up");
    Ok(())
}

#[tokio::test]
async fn a_state_that_only_a_later_version_knows_stops_nobody() -> Result<()> {
    let world = alone("globcrm_test_following_states").await?;
    let (admin, other) = (world.admin()?, world.admin()?);
    let ada = world.known.add("contact");
    let note = admin.create(about(&[("contact", &ada)])).await?;
    let mut sql = world.sql().await?;
    execute(&mut sql, "ALTER TABLE activities.peer_record DROP CONSTRAINT peer_record_state_check").await?;
    for tenant in [admin.tenant, other.tenant] {
        world.hear(tenant, ("contact", &world.known.add("contact"), "deleted"), 2).await?;
    }
    execute(
        &mut sql,
        "UPDATE activities.peer_record SET state = 'merged', next_at = heard_at - interval '1 s'",
    )
    .await?;
    world.hear(admin.tenant, ("contact", &ada, "deleted"), 2).await?;
    world.reconciler()?.round().await?;
    assert_eq!(states(&admin.get(&note.id).await?), [(&*ada, true)].into());
    let mut kept = async |tenant| world.count(&mut sql, "peer_record", tenant).await;
    assert_eq!(
        (kept(other.tenant).await?, kept(admin.tenant).await?),
        (1, 2),
        "they are kept for that version"
    );
    Ok(())
}

#[tokio::test]
async fn links_of_many_records_are_found_by_indexes_for_all_of_them_at_once() -> Result<()> {
    let world = alone("globcrm_test_following_plans").await?;
    let admin: Caller = world.admin()?;
    let ada = world.known.add("contact");
    let one = admin.create(about(&[("contact", &ada)])).await?;
    let mut sql = world.sql().await?;
    copy(&mut sql, &one.id, 20_000, None).await?;
    copy(&mut sql, &one.id, 2_000, Some(&ada)).await?;
    // Many states that are only remembered.
    sqlx::query(
        "INSERT INTO activities.peer_record (tenant_id, object, record_id, version, state, actor, heard_at, is_last)
         SELECT $1, 'contact', gen_random_uuid(), 2, 'live', $1, now(), true FROM generate_series(1, 100000)",
    )
    .bind(admin.tenant.uuid())
    .execute(&mut sql)
    .await?;
    execute(&mut sql, "ANALYZE").await?;
    let actor = world.clock.new_uuid();
    let ids: Vec<Uuid> =
        sqlx::query_scalar("SELECT record_id FROM activities.note_link WHERE record_id <> $1 LIMIT 300")
            .bind(ada.parse::<Uuid>()?)
            .fetch_all(&mut sql)
            .await?;
    let before = reads(&mut sql).await?;
    for id in ids.iter().map(Uuid::to_string).chain([ada]) {
        world.hear_by(actor, admin.tenant, ("contact", &id, "deleted"), 2).await?;
    }
    let reconciler = world.reconciler()?;
    // 2,301 notes in slices of 200, and no activity; five looks are a turn.
    let mut rounds = Vec::new();
    while rounds.last() != Some(&0) {
        rounds.push(reconciler.round().await?);
    }
    assert_eq!(rounds, [5, 5, 3, 0]);
    // A session tells of what it read when it ends.
    world.db.close().await;
    reconciler.worker.close().await;
    let after = reads(&mut sql).await?;
    assert_eq!(after.0, before.0, "no sequential scan");
    let rows = after.1 - before.1;
    assert!(rows < 30_000, "{rows} rows read for 2,301 notes");
    let marked: i64 =
        sqlx::query_scalar("SELECT count(*) FROM activities.notes WHERE links -> 0 -> 'deleted' = 'true'")
            .fetch_one(&mut sql)
            .await?;
    assert_eq!(marked, 2_301);
    Ok(())
}

/// Sequential scans of what the job asks for, and rows fetched by index, so far.
async fn reads(sql: &mut PgConnection) -> Result<(Vec<(String, i64)>, i64)> {
    execute(sql, "SELECT pg_stat_force_next_flush()").await?;
    let read: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT relname::text, seq_scan, coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables
         WHERE relname IN ('peer_record', 'note_link') OR relname LIKE 'notes_%' ORDER BY relname",
    )
    .fetch_all(sql)
    .await?;
    let rows = read.iter().map(|(_, _, rows)| rows).sum();
    Ok((read.into_iter().map(|(table, scans, _)| (table, scans)).collect(), rows))
}
