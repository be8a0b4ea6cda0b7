//! Totals that never cost more than a bounded scan.

use db::{DbError, TenantTx};
use error::Error;

use crate::list::{Deleted, List};
use crate::schema::Table;
use crate::sql::{Bind, Sql};

/// Where exact counting stops.
pub const EXACT_CAP: i64 = 10_000;
/// Where the cheap count stops.
pub const ESTIMATE_CAP: i64 = 1_000;
/// A tenant with at most this many live rows in a table may filter and sort by fields without index; in the trash, with at most
/// this many deleted ones.
pub const SMALL_SET: i64 = 20_000;

/// Where counting for the cost of a list stops.
const COUNTED_SET: i64 = 100_000;

/// A total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    /// The number of rows counted.
    pub value: i64,
    /// Whether there may be more: counting stopped at the cap.
    pub at_least: bool,
}

/// The rows of a list, counted up to [`EXACT_CAP`].
pub async fn exact(tx: &mut TenantTx, list: &List<'_>) -> Result<Total, Error> {
    capped(tx, list, EXACT_CAP).await
}

/// A cheap idea of the size: counted up to [`ESTIMATE_CAP`], at least that beyond it.
///
/// The planner's estimates are not used: they are statistics over all tenants, and would tell one about the others.
pub async fn estimate(tx: &mut TenantTx, list: &List<'_>) -> Result<Total, Error> {
    capped(tx, list, ESTIMATE_CAP).await
}

async fn capped(tx: &mut TenantTx, list: &List<'_>, cap: i64) -> Result<Total, Error> {
    let counted = run(tx, list.count_statement(cap + 1)).await?;
    Ok(Total { value: counted.min(cap), at_least: counted > cap })
}

/// The live or deleted rows that the tenant has in the table, up to a bound that is far above [`SMALL_SET`]: what [`crate::Limits`]
/// and the cost of a list go by.
pub async fn rows(tx: &mut TenantTx, table: &'static Table, rows: Deleted) -> Result<i64, Error> {
    let mut sql = Sql::for_tenant(tx.tenant_id());
    let cap = sql.bind(Bind::Int(COUNTED_SET));
    sql.push(format!("SELECT count(*) FROM (SELECT 1 FROM {} AS t WHERE t.tenant_id = $1", table.name));
    rows.push(&mut sql, table);
    sql.push(format!(" LIMIT {cap}) AS counted"));
    run(tx, sql).await
}

/// The rows of a list; `None` if they are more than [`SMALL_SET`].
pub(crate) async fn small(tx: &mut TenantTx, list: &List<'_>) -> Result<Option<i64>, Error> {
    let total = capped(tx, list, SMALL_SET).await?;
    Ok((!total.at_least).then_some(total.value))
}

async fn run(tx: &mut TenantTx, sql: Sql) -> Result<i64, Error> {
    let row = sql.into_query().fetch_one(tx.conn()).await.map_err(DbError::from)?;
    Ok(sqlx::Row::try_get(&row, 0).map_err(DbError::from)?)
}
