//! What must not stay when a test is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use events::Event;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

/// Where to look.
pub struct Look {
    pub schema: &'static str,
    /// Only these: suites share databases.
    pub tenants: Vec<Uuid>,
    /// How long ago the first of them was made.
    pub since: Duration,
}

/// A line for everything that must not be there: an event that is not what its row says, of a type that the contract does not declare, or that
/// comes before an older one of the same record; an operation that counts as running, with nobody left to run it.
///
/// What is not looked at: locks and transactions, as a connection gives up its own a moment after the test (the suite
/// `cancellation` waits for that), and operations that are queued.
pub async fn left_behind(sql: &mut PgConnection, look: &Look) -> Result<Vec<String>> {
    sqlx::query("SET statement_timeout = '20s'").execute(&mut *sql).await?;
    let mut left = events(sql, look).await?;
    left.extend(operations(sql, look).await?);
    Ok(left)
}

/// Lane, number, tenant, event, type, record, version and envelope.
type Row = (i16, i64, Uuid, Uuid, String, Uuid, i64, Vec<u8>);

#[allow(clippy::disallowed_methods, reason = "the schema's name is a constant of the test")]
async fn events(sql: &mut PgConnection, look: &Look) -> Result<Vec<String>> {
    let text = format!(
        "SELECT lane, seq, tenant_id, event_id, type, record_id, version, envelope FROM {}.outbox
         WHERE tenant_id = ANY($1) AND recorded_at >= clock_timestamp() - make_interval(secs => $2)
         ORDER BY lane, seq",
        look.schema
    );
    let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(text))
        .bind(&look.tenants)
        .bind(look.since.as_secs_f64() + 1.0)
        .fetch_all(sql)
        .await?;
    // Schemas that only tests have write what they like.
    let declared: Option<BTreeSet<String>> = match fleet::Role::named(look.schema) {
        Some(_) => Some(proto::event_types()?.into_iter().map(|of| of.kind).collect()),
        None => None,
    };
    let (mut left, mut versions) = (Vec::new(), BTreeMap::new());
    for (lane, seq, tenant, id, kind, record, version, envelope) in rows {
        let place = format!("event {seq} of lane {lane}, {kind} of {record}");
        let event = match Event::decode(&envelope) {
            Ok(event) => event,
            Err(error) => {
                left.push(format!("{place} cannot be read: {error}"));
                continue;
            }
        };
        if declared.as_ref().is_some_and(|declared| !declared.contains(&kind)) {
            left.push(format!(
                "{place}: no message of the contract declares the type (globcrm.common.v1.event)"
            ));
        }
        let says = (event.id, &event.kind, event.tenant.uuid(), event.record_id, event.version);
        if says != (id, &kind, tenant, record, version) {
            left.push(format!("{place} is not what its row says: {says:?}"));
        }
        let before = versions.insert((lane, tenant, event.object, record), version).unwrap_or(i64::MIN);
        if before > version {
            left.push(format!("{place}: version {version} after version {before}"));
        }
    }
    Ok(left)
}

#[allow(clippy::disallowed_methods, reason = "the schema's name is a constant of the test")]
async fn operations(sql: &mut PgConnection, look: &Look) -> Result<Vec<String>> {
    let table = format!("{}.operation", look.schema);
    let there: bool =
        sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(&table).fetch_one(&mut *sql).await?;
    if !there {
        return Ok(Vec::new());
    }
    let text = format!("SELECT id FROM {table} WHERE tenant_id = ANY($1) AND state = 'running'");
    let running: Vec<Uuid> =
        sqlx::query_scalar(AssertSqlSafe(text)).bind(&look.tenants).fetch_all(sql).await?;
    Ok(running.into_iter().map(|id| format!("operation {id} is running")).collect())
}
