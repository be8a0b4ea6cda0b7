//! Every kind, state and event: in the code's table, in the database, and over the API, each against one table of this test's own.

use activities::machine::{Event, Kind, MACHINES, State, field};
use anyhow::Result;
use proto::activities::v1 as pb;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::world::{Caller, World, planned};

/// What an event comes to: the state, and what the call must say.
type Outcome = Option<(&'static str, &'static [&'static str])>;

const NO: Outcome = None;
const START: Outcome = Some(("in_progress", &[]));
const DONE: Outcome = Some(("completed", &["outcome"]));
const TIMED: Outcome = Some(("completed", &["outcome", "duration_seconds"]));
const OFF: Outcome = Some(("cancelled", &["reason"]));

/// By kind and state: what start, complete, cancel and reopen come to.
const EXPECTED: [(&str, &str, [Outcome; 4]); 12] = [
    ("task", "planned", [START, DONE, OFF, NO]),
    ("task", "in_progress", [NO, DONE, OFF, NO]),
    ("task", "completed", [NO, NO, NO, NO]),
    ("task", "cancelled", [NO, NO, NO, NO]),
    ("call", "planned", [START, TIMED, OFF, NO]),
    ("call", "in_progress", [NO, TIMED, OFF, NO]),
    ("call", "completed", [NO, NO, NO, NO]),
    ("call", "cancelled", [NO, NO, NO, NO]),
    ("meeting", "planned", [START, TIMED, OFF, NO]),
    ("meeting", "in_progress", [NO, TIMED, OFF, NO]),
    ("meeting", "completed", [NO, NO, NO, NO]),
    ("meeting", "cancelled", [NO, NO, NO, NO]),
];
const EVENTS: [&str; 4] = ["start", "complete", "cancel", "reopen"];
const STATES: [&str; 4] = ["planned", "in_progress", "completed", "cancelled"];

/// By kind and state: the fields that a row must have, and those that it must not have.
const ROWS: [(&str, &str, &[&str], &[&str]); 12] = [
    ("task", "planned", &["subject"], &["completed_at", "outcome", "cancelled_reason"]),
    ("task", "in_progress", &["subject"], &["completed_at", "outcome", "cancelled_reason"]),
    ("task", "completed", &["subject", "completed_at", "outcome"], &["cancelled_reason"]),
    ("task", "cancelled", &["subject", "cancelled_reason"], &["completed_at", "outcome"]),
    ("call", "planned", &["subject"], &["completed_at", "outcome", "cancelled_reason"]),
    ("call", "in_progress", &["subject"], &["completed_at", "outcome", "cancelled_reason"]),
    ("call", "completed", &["subject", "completed_at", "outcome", "duration_seconds"], &["cancelled_reason"]),
    ("call", "cancelled", &["subject", "cancelled_reason"], &["completed_at", "outcome"]),
    (
        "meeting",
        "planned",
        &["subject", "starts_at", "ends_at"],
        &["completed_at", "outcome", "cancelled_reason"],
    ),
    (
        "meeting",
        "in_progress",
        &["subject", "starts_at", "ends_at"],
        &["completed_at", "outcome", "cancelled_reason"],
    ),
    (
        "meeting",
        "completed",
        &["subject", "starts_at", "ends_at", "completed_at", "outcome", "duration_seconds"],
        &["cancelled_reason"],
    ),
    (
        "meeting",
        "cancelled",
        &["subject", "starts_at", "ends_at", "cancelled_reason"],
        &["completed_at", "outcome"],
    ),
];

#[test]
fn the_code_goes_by_the_table() {
    for (kind, state, outcomes) in EXPECTED {
        let (machine, from) = (Kind::named(kind).unwrap().machine(), State::named(state).unwrap());
        for (event, outcome) in EVENTS.iter().zip(outcomes) {
            let way = machine.way(from, Event::named(event).unwrap());
            let found = way.map(|way| (way.to.name(), way.requires));
            assert_eq!(found, outcome, "{kind} {state} {event}");
        }
    }
    for (kind, state, must, must_not) in ROWS {
        let (machine, state) = (Kind::named(kind).unwrap().machine(), State::named(state).unwrap());
        assert_eq!(machine.has(state), must);
        assert_eq!(machine.lacks(state), must_not);
    }
    let known = (MACHINES.len(), State::ALL.map(State::name), Event::ALL.map(Event::name));
    assert_eq!(known, (3, STATES, EVENTS));
    assert_eq!((field("reason"), field("outcome")), ("cancelled_reason", "outcome"));
}

#[tokio::test]
async fn the_database_has_the_condition_that_the_code_makes_of_its_table() -> Result<()> {
    let world = World::new().await?;
    let mut sql = world.sql().await?;
    let row = |machine: &activities::machine::Machine, state: State| {
        let (has, lacks) = (machine.has(state).join(", "), machine.lacks(state).join(", "));
        let (kind, state) = (machine.kind.name(), state.name());
        format!(
            "(kind = '{kind}' AND state = '{state}' AND num_nulls({has}) = 0 AND num_nonnulls({lacks}) = 0)"
        )
    };
    let rows = MACHINES.iter().flat_map(|machine| State::ALL.map(|state| row(machine, state)));
    let condition = rows.collect::<Vec<_>>().join(" OR ");
    // As the server writes it down.
    crate::database::execute(
        &mut sql,
        format!(
            "CREATE TEMPORARY TABLE compared (LIKE activities.activities);
             ALTER TABLE compared ADD CONSTRAINT made CHECK ({condition})"
        ),
    )
    .await?;
    let written =
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1 AND conrelid = $2::regclass";
    let definition = async |sql: &mut PgConnection, name: &str, table: &str| -> Result<String> {
        Ok(sqlx::query_scalar(written).bind(name).bind(table).fetch_one(sql).await?)
    };
    let made = definition(&mut sql, "made", "compared").await?;
    assert_eq!(definition(&mut sql, "activities_state", "activities.activities").await?, made);
    Ok(())
}

/// A row of SQL's own, with all of `fields`.
async fn insert(
    sql: &mut PgConnection,
    kind: &str,
    state: &str,
    fields: &[&str],
) -> Result<Uuid, sqlx::Error> {
    let id = Uuid::now_v7();
    let mut row = json!({
        "tenant_id": Uuid::from_u128(7), "id": id, "version": 1, "created_at": "2026-01-01T00:00:00Z", "created_by": id,
        "updated_at": "2026-01-01T00:00:00Z", "updated_by": id, "source": "api", "external_ids": {}, "tags": [],
        "priority": "normal", "all_day": false, "links": [], "participants": [], "reminders": [], "custom": {},
        "subject_folded": "", "kind": kind, "state": state,
    });
    for name in fields {
        row[*name] = match *name {
            "starts_at" | "completed_at" => "2026-01-01T10:00:00Z".into(),
            "ends_at" => "2026-01-01T11:00:00Z".into(),
            "duration_seconds" => 60.into(),
            _ => "x".into(),
        };
    }
    sqlx::query(
        "INSERT INTO activities.activities SELECT r.* FROM jsonb_populate_record(NULL::activities.activities, $1) AS r",
    )
    .bind(row)
    .execute(sql)
    .await?;
    Ok(id)
}

#[tokio::test]
async fn the_database_takes_what_the_table_says_and_nothing_else() -> Result<()> {
    let world = World::new().await?;
    let mut sql = world.sql().await?;
    for (kind, state, must, must_not) in ROWS {
        insert(&mut sql, kind, state, must).await?;
        for left_out in must {
            let rest: Vec<&str> = must.iter().copied().filter(|name| name != left_out).collect();
            insert(&mut sql, kind, state, &rest).await.expect_err(left_out);
        }
        for too_much in must_not {
            insert(&mut sql, kind, state, &[must, &[*too_much][..]].concat()).await.expect_err(too_much);
        }
    }
    insert(&mut sql, "mail", "planned", &["subject"]).await.unwrap_err();
    insert(&mut sql, "task", "open", &["subject"]).await.unwrap_err();
    Ok(())
}

#[tokio::test]
async fn the_database_lets_a_state_follow_another_as_the_table_says() -> Result<()> {
    let world = World::new().await?;
    let mut sql = world.sql().await?;
    for (kind, from, outcomes) in EXPECTED {
        let reached: Vec<&str> = outcomes.iter().flatten().map(|(to, _)| *to).collect();
        for to in STATES {
            let has = |state: &str| ROWS.iter().find(|row| (row.0, row.1) == (kind, state)).unwrap();
            let id = insert(&mut sql, kind, from, has(from).2).await?;
            // All that the other state needs, so that the way alone is in question.
            let wanted = |name: &str| has(to).2.contains(&name);
            let done = sqlx::query(
                "UPDATE activities.activities SET state = $2, completed_at = CASE WHEN $3 THEN now() END,
                     outcome = CASE WHEN $4 THEN 'x' END, cancelled_reason = CASE WHEN $5 THEN 'x' END, duration_seconds = 60
                 WHERE id = $1",
            )
            .bind(id)
            .bind(to)
            .bind(wanted("completed_at"))
            .bind(wanted("outcome"))
            .bind(wanted("cancelled_reason"))
            .execute(&mut sql)
            .await;
            assert_eq!(done.is_ok(), from == to || reached.contains(&to), "{kind} {from} {to}: {done:?}");
        }
    }
    Ok(())
}

/// An activity of a kind in a state, made by calls.
async fn in_state(who: &Caller, kind: &str, state: &str) -> Result<pb::Activity> {
    let made = who.create_activity(planned(kind)).await?;
    let id = made.id.as_str();
    Ok(match state {
        "planned" => made,
        "in_progress" => who.happen(id, "start", &[]).await?,
        "completed" => who.happen(id, "complete", &["outcome", "duration_seconds"]).await?,
        _ => who.happen(id, "cancel", &["reason"]).await?,
    })
}

#[tokio::test]
async fn the_api_does_what_the_table_says() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    for (kind, state, outcomes) in EXPECTED {
        let permitted: Vec<&str> = EVENTS
            .iter()
            .zip(outcomes)
            .filter(|(_, outcome)| outcome.is_some())
            .map(|(event, _)| *event)
            .collect();
        for (event, outcome) in EVENTS.iter().zip(outcomes) {
            let case = format!("{kind} {state} {event}");
            let made = in_state(&admin, kind, state).await?;
            let Some((to, requires)) = outcome else {
                // Also with nothing of what it would need: what is not possible is said first.
                let refused = admin.happen(&made.id, event, &[]).await.unwrap_err();
                assert_eq!(refused.is(), (409, "TRANSITION_NOT_ALLOWED"), "{case}");
                let problem = refused.problem();
                assert_eq!(problem["meta"], json!({"state": state, "event": event}), "{case}");
                assert_eq!(problem["allowed"], json!(permitted), "{case}");
                assert_eq!(admin.activity(&made.id).await?, made, "{case}");
                continue;
            };
            for missing in requires {
                let rest: Vec<&str> = requires.iter().copied().filter(|member| member != missing).collect();
                let refused = admin.happen(&made.id, event, &rest).await.unwrap_err();
                let pointer = format!("/{missing}");
                assert_eq!(refused.violations(), [(pointer.as_str(), "REQUIRED_FOR_STATE")], "{case}");
            }
            let done = admin.happen(&made.id, event, requires).await?;
            let name = done.state().as_str_name().trim_start_matches("ACTIVITY_STATE_").to_lowercase();
            assert_eq!((name.as_str(), done.version), (to, made.version + 1), "{case}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_is_shown_of_the_machines_is_what_the_table_says() -> Result<()> {
    let world = World::new().await?;
    let machines = world.admin()?.machines().await?;
    assert_eq!(
        machines.iter().map(|machine| machine.kind.as_str()).collect::<Vec<_>>(),
        ["task", "call", "meeting"]
    );
    for machine in &machines {
        let mut expected = Vec::new();
        for (_, from, outcomes) in EXPECTED.iter().filter(|row| row.0 == machine.kind) {
            for (event, outcome) in EVENTS.iter().zip(outcomes) {
                if let Some((to, requires)) = outcome {
                    expected.push((*event, *from, *to, requires.to_vec()));
                }
            }
        }
        let mut shown: Vec<(&str, &str, &str, Vec<&str>)> = machine
            .transitions
            .iter()
            .map(|way| {
                let needs = way.requires.iter().map(String::as_str).collect();
                (way.event.as_str(), way.from.as_str(), way.to.as_str(), needs)
            })
            .collect();
        expected.sort();
        shown.sort();
        assert_eq!(shown, expected);
        for (event, from, to, needs) in &expected {
            let needs = if needs.is_empty() { String::new() } else { format!(" ({})", needs.join(", ")) };
            let line = format!("    {from} --> {to}: {event}{needs}\n");
            assert!(machine.mermaid.contains(&line), "{line} in {}", machine.mermaid);
        }
        assert!(machine.mermaid.starts_with("stateDiagram-v2\n    [*] --> planned\n"));
        assert_eq!(machine.mermaid.lines().count(), 2 + expected.len() + 2);
        assert_eq!(machine.states, STATES);
    }
    Ok(())
}
