//! The rows of a list in groups by a column, such as the cards of a board by their stages: the totals of every group, and its first rows,
//! by one statement.

use std::collections::BTreeMap;

use db::{DbError, TenantTx};
use error::Error;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::cursor::CursorKey;
use crate::list::{List, Page, Phase};
use crate::select::Projection;
use crate::sql::{Bind, Sql};

/// The greatest sum that is told: JSON numbers are exact up to here.
pub const MOST: i64 = 1 << 53;

/// By what rows are grouped, and what is summed up. Static text of the owning service.
#[derive(Debug, Clone, Copy)]
pub struct Grouping {
    /// The column, a `uuid` that is never null.
    pub column: &'static str,
    /// The columns of an amount in minor units and of its currency; `None` for no sums.
    pub money: Option<(&'static str, &'static str)>,
    /// A table whose rows add up to the totals of all live rows: with the group's column, `owner_id`, `team_id`, `currency`, `deals` (their
    /// number) and `amount`. What a filter chooses is counted itself.
    pub kept: Option<&'static str>,
}

/// A group that has rows.
#[derive(Debug, Default)]
pub struct Group {
    /// All its rows.
    pub count: i64,
    /// The sum of the amounts by currency, in the order of currencies; [`MOST`] at most.
    pub sums: Vec<(String, i64)>,
    /// The first rows. The token goes on in a list that also fixes the group's column, behind the columns that are fixed already.
    pub page: Page,
}

/// Reads all groups with rows that the caller may see, and the first `page_size` rows of each. The list's order must have a first key that is never
/// unset.
pub async fn fetch_groups(
    tx: &mut TenantTx,
    list: &List<'_>,
    projection: &Projection,
    grouping: Grouping,
    key: &CursorKey,
    page_size: usize,
) -> Result<BTreeMap<Uuid, Group>, Error> {
    if tx.tenant_id() != list.tenant() {
        return Err(Error::internal("a list was made for another tenant than its transaction's"));
    }
    let statement = statement(list, projection, grouping, page_size + 1);
    let rows = statement.into_query().fetch_all(tx.conn()).await.map_err(DbError::from)?;
    let mut groups = read(rows).map_err(DbError::from)?;
    for (id, group) in &mut groups {
        let fixed = [list.fixed(), &[(grouping.column, Bind::Uuid(*id))]].concat();
        group.page.end_after(page_size, &list.within(&fixed), key)?;
    }
    Ok(groups)
}

/// The statement; to look at its plan.
pub fn statement(list: &List<'_>, projection: &Projection, grouping: Grouping, limit: usize) -> Sql {
    let Grouping { column, money, kept } = grouping;
    let kept = kept.filter(|_| list.has_no_filter());
    let rows = if kept.is_some() { "sum(t.deals)::int8" } else { "count(*)" };
    let money = money.map(|columns| if kept.is_some() { ("amount", "currency") } else { columns });
    let mut sql = Sql::for_tenant(list.tenant());
    sql.push(format!("WITH total AS MATERIALIZED (SELECT t.{column} AS _group, {rows} AS _count"));
    sql.push(match money {
        Some((minor, currency)) => {
            format!(", t.{currency} AS _currency, least(sum(t.{minor}), {MOST})::int8 AS _sum")
        }
        None => ", NULL::text AS _currency, NULL::int8 AS _sum".to_owned(),
    });
    match kept {
        Some(table) => list.push_visible_of(&mut sql, table),
        None => list.push_visible(&mut sql),
    }
    sql.push(format!(" GROUP BY _group, _currency HAVING {rows} > 0)"));
    // Two kinds of rows: a total, or a row of a group.
    sql.push(
        " SELECT total.*, shown.* FROM total FULL JOIN (\
         SELECT one._group AS _of, of_group.*, row_number() OVER () AS _place \
         FROM (SELECT DISTINCT _group FROM total) AS one CROSS JOIN LATERAL (",
    );
    list.push_statement(&mut sql, projection, Phase::Set, None, &format!(" AND t.{column} = one._group"));
    let limit = sql.bind(Bind::Int(limit as i64));
    sql.push(format!(" LIMIT {limit}) AS of_group) AS shown ON false"));
    sql
}

fn read(rows: Vec<PgRow>) -> Result<BTreeMap<Uuid, Group>, sqlx::Error> {
    let mut groups: BTreeMap<Uuid, Group> = BTreeMap::new();
    let mut shown = Vec::new();
    for row in rows {
        let Some(id) = row.try_get::<Option<Uuid>, _>("_group")? else {
            shown.push((row.try_get::<i64, _>("_place")?, row));
            continue;
        };
        let group = groups.entry(id).or_default();
        group.count += row.try_get::<i64, _>("_count")?;
        if let (Some(currency), Some(sum)) = (row.try_get("_currency")?, row.try_get("_sum")?) {
            group.sums.push((currency, sum));
        }
    }
    shown.sort_unstable_by_key(|(place, _)| *place);
    let mut pages: BTreeMap<Uuid, Vec<PgRow>> = BTreeMap::new();
    for (_, row) in shown {
        pages.entry(row.try_get("_of")?).or_default().push(row);
    }
    for (id, group) in &mut groups {
        group.sums.sort_unstable();
        group.page = Page::of_set(pages.remove(id).unwrap_or_default());
    }
    Ok(groups)
}
