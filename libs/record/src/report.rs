//! Statements about the records of an object: reports.

use auth::Context;
use db::TenantTx;
use error::Error;
use query::rows::{Statement, fetch};
use query::{Bind, CustomField, Deleted, Limits, List, ListRequest, Schema};
use sqlx::postgres::PgRow;

use super::definitions::{FieldSet, keys_in, newer};
use super::{Object, Wire};
use crate::Env;

/// A report as it was asked for.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Of the records.
    pub filter: &'a str,
    /// Columns that have a value.
    pub fixed: &'a [(&'static str, Bind)],
    /// What is asked of them. Where it is about the past, `custom` are the values of then; slots are not looked at.
    pub statement: Statement,
}

/// Runs a statement about the records that the caller may see. No index is asked for: a report looks at many records anyway. So it waits for its
/// turn while other tenants need the database.
#[tracing::instrument(name = "record.report", skip_all, fields(object = W::object().name))]
pub async fn report<W: Wire>(env: &Env, cx: &Context, asked: Asked<'_>) -> Result<Vec<PgRow>, Error> {
    let object = W::object();
    let keys = keys_in(&[asked.filter]);
    let set = env.definitions.for_keys(cx, object, keys.iter().copied()).await?;
    match by_definitions(env, cx, object, asked.clone(), &set).await {
        Err(refused) => {
            let newer = newer(env, cx, object, (&keys, &set), refused).await?;
            by_definitions(env, cx, object, asked, &newer).await
        }
        done => done,
    }
}

async fn by_definitions(
    env: &Env,
    cx: &Context,
    object: &'static Object,
    Asked { filter, fixed, statement }: Asked<'_>,
    set: &FieldSet,
) -> Result<Vec<PgRow>, Error> {
    let mask = set.mask(object, cx.mask(object.name));
    let filter = query::filter::parse(filter)?;
    let unindexed = |field: &CustomField| CustomField { slot: None, ..field.clone() };
    let by_value: Vec<CustomField> = set.queryable().iter().map(unindexed).collect();
    let custom = if statement.past.is_some() { &by_value } else { set.queryable() };
    let request = ListRequest {
        schema: Schema {
            table: object.table(),
            custom,
            mask: &mask,
            region: env.region,
            now: env.clock.now(),
        },
        predicate: cx.reached(),
        fixed,
        deleted: Deleted::Hidden,
        filter: filter.as_ref(),
        order_by: "",
        limits: Limits::NONE,
    };
    let turn = env.db.long_turn(cx.tenant).await?;
    let mut tx = TenantTx::begin_snapshot(&env.db, cx.tenant).await?;
    if let Some(turn) = turn {
        tx.keep(turn);
    }
    let list = List::new(tx.tenant_id(), &request)?;
    let rows = fetch(&mut tx, &list, statement).await?;
    tx.commit().await?;
    Ok(rows)
}
