//! SQL of what was heard of other services' records.

use db::{DbError, TenantTx, WorkerTx};
use sqlx::Row;
use time::OffsetDateTime;
use uuid::Uuid;

use super::State;

/// Due changes looked at, from which every tenant gets its turn.
const WINDOW: i64 = 10_000;

/// What became of a record of another service.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) object: String,
    pub(crate) record_id: Uuid,
    /// The record's version then.
    pub(crate) version: i64,
    pub(crate) state: State,
    pub(crate) actor: Uuid,
    pub(crate) at: OffsetDateTime,
    /// Of which object records have been brought up to it so far, and up to which record.
    pub(crate) place: Place,
}

/// How far the records here have been brought up to a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The object, by its number in the service.
    pub(crate) holder: i32,
    /// The last record of it.
    pub(crate) after: Uuid,
}

/// Notes a change, unless a later one of the record was noted before.
pub(crate) async fn note(tx: &mut TenantTx, heard: &Heard) -> Result<(), DbError> {
    let query = sqlx::query(
        "INSERT INTO heard (tenant_id, object, record_id, version, state, actor, heard_at, next_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
         ON CONFLICT (tenant_id, object, record_id) DO UPDATE SET version = EXCLUDED.version,
             state = EXCLUDED.state, actor = EXCLUDED.actor, heard_at = EXCLUDED.heard_at, next_at = EXCLUDED.next_at,
             holder = EXCLUDED.holder, after_id = EXCLUDED.after_id
         WHERE heard.version < EXCLUDED.version",
    );
    let query = query.bind(tx.tenant_id()).bind(&heard.object).bind(heard.record_id).bind(heard.version);
    query.bind(heard.state.name()).bind(heard.actor).bind(heard.at).execute(tx.conn()).await?;
    Ok(())
}

/// What is due, with its tenant: the first of each tenant, then the second of each, … A state that only a later version knows is left
/// to that version.
pub(crate) async fn due(
    tx: &mut WorkerTx,
    now: OffsetDateTime,
    limit: i64,
) -> Result<Vec<(Uuid, Heard)>, DbError> {
    let query = sqlx::query(
        "SELECT tenant_id, object, record_id, version, state, actor, heard_at, holder, after_id
         FROM (SELECT due.*, row_number() OVER (PARTITION BY tenant_id ORDER BY next_at) AS turn
               FROM (SELECT * FROM heard WHERE next_at <= $1 AND state = ANY($4) ORDER BY next_at, tenant_id LIMIT $3) AS due) AS turns
         ORDER BY turn, next_at LIMIT $2",
    );
    let query = query.bind(now).bind(limit).bind(WINDOW).bind(State::ALL.map(State::name));
    let rows = query.fetch_all(tx.conn()).await?;
    let read = |row: &sqlx::postgres::PgRow| {
        let state: String = row.try_get("state")?;
        let state = State::named(&state).ok_or_else(|| sqlx::Error::Decode(state.into()))?;
        let heard = Heard {
            object: row.try_get("object")?,
            record_id: row.try_get("record_id")?,
            version: row.try_get("version")?,
            state,
            actor: row.try_get("actor")?,
            at: row.try_get("heard_at")?,
            place: Place { holder: row.try_get("holder")?, after: row.try_get("after_id")? },
        };
        Ok((row.try_get("tenant_id")?, heard))
    };
    Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
}

/// Whether nothing later was heard of the record. Locks the row, so that nothing later is noted before the transaction ends.
pub(crate) async fn is_current(tx: &mut TenantTx, heard: &Heard) -> Result<bool, DbError> {
    let query = sqlx::query_scalar(
        "SELECT version = $4 FROM heard WHERE tenant_id = $1 AND object = $2 AND record_id = $3 FOR UPDATE",
    );
    let query = query.bind(tx.tenant_id()).bind(&heard.object).bind(heard.record_id).bind(heard.version);
    Ok(query.fetch_optional(tx.conn()).await?.unwrap_or(false))
}

/// Takes it up again at a moment, from a place on.
pub(crate) async fn put_off(
    tx: &mut TenantTx,
    heard: &Heard,
    at: OffsetDateTime,
    place: Place,
) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE heard SET next_at = $5, holder = $6, after_id = $7
         WHERE tenant_id = $1 AND object = $2 AND record_id = $3 AND version = $4",
    );
    let query = query.bind(tx.tenant_id()).bind(&heard.object).bind(heard.record_id).bind(heard.version);
    query.bind(at).bind(place.holder).bind(place.after).execute(tx.conn()).await?;
    Ok(())
}

/// Notes how far the records here have been brought up; the change stays due.
pub(crate) async fn advance(tx: &mut TenantTx, heard: &Heard, place: Place) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE heard SET holder = $5, after_id = $6
         WHERE tenant_id = $1 AND object = $2 AND record_id = $3 AND version = $4",
    );
    let query = query.bind(tx.tenant_id()).bind(&heard.object).bind(heard.record_id).bind(heard.version);
    query.bind(place.holder).bind(place.after).execute(tx.conn()).await?;
    Ok(())
}

/// Everything that names the record has been brought up to it.
pub(crate) async fn remove(tx: &mut TenantTx, heard: &Heard) -> Result<(), DbError> {
    let query = sqlx::query(
        "DELETE FROM heard WHERE tenant_id = $1 AND object = $2 AND record_id = $3 AND version = $4",
    );
    let query = query.bind(tx.tenant_id()).bind(&heard.object).bind(heard.record_id).bind(heard.version);
    query.execute(tx.conn()).await?;
    Ok(())
}
