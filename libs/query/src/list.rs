//! One page of a list: at most two statements, whatever the number of rows.

use auth::RowPredicate;
use db::{DbError, TenantTx};
use error::Error;
use sqlx::Row;
use sqlx::postgres::PgRow;
use time::{Date, OffsetDateTime};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use crate::check::{Condition, Limits, check};
use crate::cursor::{CursorKey, Position};
use crate::filter::Expr;
use crate::order::{Key, KeyKind, Order};
use crate::schema::{Schema, Table};
use crate::select::Projection;
use crate::sql::{Bind, Sql};
use crate::{compile, count, keyset, order, predicate, refusal};

/// Rows of a page when nothing is asked for.
pub(crate) const DEFAULT_PAGE_SIZE: usize = 50;
/// Most rows of a page.
pub(crate) const MAX_PAGE_SIZE: usize = 200;
/// A page ends before what is made of its rows has more bytes than this; it has one row at least. Whoever makes it ends the page
/// ([`Page::end_after`]). Half of what a message may have, so that there is room for what an answer adds.
pub const MAX_PAGE_BYTES: usize = 2 << 20;
/// What a reference takes of a page's bytes: the id, the object and a short name of what a record refers to.
pub const REFERENCE_BYTES: usize = 128;
/// Most references of a page, and of ids in a call that asks for their names. The first record of a page, or of a column of a board, is there
/// whatever it refers to.
pub const MAX_REFERENCES: usize = MAX_PAGE_BYTES / REFERENCE_BYTES + 4_096;
/// Comparisons that no index answers, by row, that cost as much as a request.
const COST_UNIT: u64 = 10_000;

/// The number of rows asked for; refused, never clamped, if there cannot be a page of it.
pub fn page_size(asked: Option<i32>) -> Result<usize, Error> {
    match asked.map(usize::try_from) {
        None => Ok(DEFAULT_PAGE_SIZE),
        Some(Ok(size @ 1..=MAX_PAGE_SIZE)) => Ok(size),
        Some(_) => Err(refusal::page_size(MAX_PAGE_SIZE)),
    }
}

/// Which rows with regard to soft deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deleted {
    /// Live rows.
    #[default]
    Hidden,
    /// The trash.
    Only,
}

impl Deleted {
    /// Appends the condition.
    pub(crate) fn push(self, sql: &mut Sql, table: &Table) {
        match (table.deleted_at, self) {
            (Some(column), Self::Hidden) => sql.push(format!(" AND t.{column} IS NULL")),
            (Some(column), Self::Only) => sql.push(format!(" AND t.{column} IS NOT NULL")),
            (None, Self::Hidden) => {}
            (None, Self::Only) => sql.push(" AND FALSE"),
        }
    }
}

/// A list as asked for.
#[derive(Debug, Clone, Copy)]
pub struct ListRequest<'a> {
    /// The table as the caller sees it.
    pub schema: Schema<'a>,
    /// The rows that the caller's permission reaches.
    pub predicate: &'a RowPredicate,
    /// Columns that must equal a value, fixed by the operation and not by the filter.
    pub fixed: &'a [(&'static str, Bind)],
    /// Which rows with regard to soft deletion.
    pub deleted: Deleted,
    /// The filter's tree, read from the text by [`crate::filter::parse`].
    pub filter: Option<&'a Expr>,
    /// `order_by` as sent.
    pub order_by: &'a str,
    /// What the price may be.
    pub limits: Limits,
}

impl ListRequest<'_> {
    /// Whether its statement has one best plan, whatever tenant asks for which page: one record by its id, or all live records
    /// along the index of ids. What filters, sorts or has a row scope depends on how many rows each part of it matches.
    pub fn has_one_plan(&self) -> bool {
        let by_id = matches!(self.fixed, [("id", _)]);
        let all = self.fixed.is_empty()
            && self.deleted == Deleted::Hidden
            && predicate::RowScope::from(self.predicate).all;
        self.filter.is_none() && self.order_by.is_empty() && (by_id || all)
    }
}

/// A checked list, to be paged through or counted.
#[derive(Debug, Clone)]
pub struct List<'a> {
    tenant: Uuid,
    table: &'static Table,
    condition: Option<Condition<'a>>,
    order: Order<'a>,
    predicate: &'a RowPredicate,
    fixed: &'a [(&'static str, Bind)],
    deleted: Deleted,
    fingerprint: u128,
    cost: u64,
}

/// Rows and where to go on.
#[derive(Debug, Default)]
pub struct Page {
    /// The rows, at most as many as asked for.
    pub rows: Vec<PgRow>,
    /// Empty on the last page.
    pub next_page_token: String,
    phases: Vec<Phase>,
}

impl Page {
    /// A page of rows that all have the first key.
    pub(crate) fn of_set(rows: Vec<PgRow>) -> Self {
        let phases = vec![Phase::Set; rows.len()];
        Self { rows, next_page_token: String::new(), phases }
    }

    /// Ends the page after its first `rows` rows, where what was made of them has become too large.
    pub fn end_after(&mut self, rows: usize, list: &List<'_>, key: &CursorKey) -> Result<(), Error> {
        let last = rows.saturating_sub(1);
        let (Some(row), Some(phase)) = (self.rows.get(last), self.phases.get(last)) else { return Ok(()) };
        if rows < self.rows.len() {
            self.next_page_token =
                list.position(row, *phase).map_err(DbError::from)?.seal(key, list.fingerprint)?;
            self.rows.truncate(rows);
            self.phases.truncate(rows);
        }
        Ok(())
    }
}

/// Which rows of the first key a statement reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Set,
    Unset,
}

impl<'a> List<'a> {
    /// Checks filter and order. `tenant` is that of the transaction in which the list will run.
    pub fn new(tenant: Uuid, request: &ListRequest<'a>) -> Result<Self, Error> {
        let condition = request.filter.map(|expr| check(&request.schema, expr)).transpose()?;
        let order = order::parse(&request.schema, request.order_by, request.deleted, request.limits)?;
        let mut list = Self {
            tenant,
            table: request.schema.table,
            condition,
            order,
            predicate: request.predicate,
            fixed: request.fixed,
            deleted: request.deleted,
            fingerprint: 0,
            cost: 1,
        };
        let scanned = list.condition.as_ref().and_then(|condition| condition.scanned(list.deleted));
        if let Some(field) = scanned.filter(|_| !request.limits.allow_unindexed) {
            return Err(refusal::not_indexed(list.table.object, &field, list.deleted));
        }
        list.fingerprint = list.fingerprint();
        Ok(list)
    }

    /// As [`List::new`], and where an index is missing, asks whether the tenant is small enough to do without, and if it is not,
    /// whether the indexed part of the filter leaves few enough rows (a bounded count each, in those cases only). The list knows
    /// its cost then.
    pub async fn open(tx: &mut TenantTx, request: &ListRequest<'a>) -> Result<Self, Error> {
        let tenant = tx.tenant_id();
        let mut list = Self::new(tenant, &ListRequest { limits: Limits::NONE, ..*request })?;
        let unindexed = list.unindexed();
        if unindexed == 0 {
            return Ok(list);
        }
        let mut rows = count::rows(tx, request.schema.table, request.deleted).await?;
        if rows > count::SMALL_SET {
            Self::new(tenant, request)?;
            rows = list.count_chosen(tx).await?;
        }
        list.cost = 1 + unindexed.saturating_mul(rows.unsigned_abs()) / COST_UNIT;
        Ok(list)
    }

    /// The rows in which indexes leave fields without index to be looked at; an error if those are many, too.
    async fn count_chosen(&self, tx: &mut TenantTx) -> Result<i64, Error> {
        let looked_at = self.condition.as_ref().and_then(|condition| condition.looked_at(self.deleted));
        let Some((chosen, field)) = looked_at else { return Ok(0) };
        let chosen = count::small(tx, &Self { condition: Some(chosen), ..self.clone() }).await?;
        chosen.ok_or_else(|| refusal::too_many_chosen(self.table.object, &field, self.deleted))
    }

    /// What the list costs beside others: 1, and 1 more for every 10,000 comparisons that no index answers.
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// The comparisons and keys that look at every row.
    fn unindexed(&self) -> u64 {
        let keys = self.order.keys.iter().enumerate();
        let is_unindexed = |at: usize, key: &Key<'_>| at == 0 && !key.field.is_indexed(self.deleted);
        let keys = keys.filter(|(at, key)| is_unindexed(*at, key) || key.field.is_unpacked()).count();
        self.condition.as_ref().map_or(0, |condition| condition.unindexed(self.deleted)) + keys as u64
    }

    /// The statements that a first page of `page_size` rows may run, in this order; to look at their plans.
    pub fn statements(&self, projection: &Projection, page_size: usize) -> Vec<Sql> {
        self.phases(None)
            .into_iter()
            .map(|phase| self.statement(projection, phase, None, page_size + 1))
            .collect()
    }

    /// The statement for at most `limit` rows after a position.
    pub(crate) fn statement(
        &self,
        projection: &Projection,
        phase: Phase,
        after: Option<&Position>,
        limit: usize,
    ) -> Sql {
        let mut sql = Sql::for_tenant(self.tenant);
        self.push_statement(&mut sql, projection, phase, after, "");
        let limit = sql.bind(Bind::Int(limit as i64));
        sql.push(format!(" LIMIT {limit}"));
        sql
    }

    /// As [`List::statement`], without an end, and with one condition more.
    pub(crate) fn push_statement(
        &self,
        sql: &mut Sql,
        projection: &Projection,
        phase: Phase,
        after: Option<&Position>,
        condition: &str,
    ) {
        sql.push("SELECT ");
        projection.push(sql);
        for (index, key) in self.order.keys.iter().enumerate() {
            let expression = key.expression(sql);
            // int4 and int8 columns are read alike.
            let cast = if key.kind == KeyKind::Int { "::int8" } else { "" };
            sql.push(format!(", {expression}{cast} AS _k{index}"));
        }
        self.push_source(sql);
        predicate::push(sql, self.predicate);
        sql.push(condition);
        keyset::push(sql, &self.order, phase, after);
        keyset::push_order(sql, &self.order, phase);
    }

    /// The statement that counts the caller's rows, up to `cap`.
    pub(crate) fn count_statement(&self, cap: i64) -> Sql {
        let mut sql = Sql::for_tenant(self.tenant);
        sql.push("SELECT count(*) FROM (SELECT 1");
        self.push_visible(&mut sql);
        let cap = sql.bind(Bind::Int(cap));
        sql.push(format!(" LIMIT {cap}) AS counted"));
        sql
    }

    /// The ids of the first `limit` of the caller's rows, in the order of ids.
    pub async fn ids(&self, tx: &mut TenantTx, limit: i64) -> Result<Vec<Uuid>, Error> {
        let mut sql = Sql::for_tenant(self.tenant);
        sql.push("SELECT t.id");
        self.push_visible(&mut sql);
        let limit = sql.bind(Bind::Int(limit));
        sql.push(format!(" ORDER BY t.id LIMIT {limit}"));
        let rows = sql.into_query().fetch_all(tx.conn()).await.map_err(DbError::from)?;
        let ids = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>();
        Ok(ids.map_err(DbError::from)?)
    }

    /// FROM and WHERE of the rows that the caller may see.
    pub(crate) fn push_visible(&self, sql: &mut Sql) {
        self.push_source(sql);
        predicate::push(sql, self.predicate);
    }

    /// As [`List::push_visible`], of another table about the same rows, where there is no filter.
    pub(crate) fn push_visible_of(&self, sql: &mut Sql, table: &str) {
        sql.push(format!(" FROM {table} AS t WHERE t.tenant_id = $1"));
        self.push_fixed(sql);
        predicate::push(sql, self.predicate);
    }

    pub(crate) fn has_no_filter(&self) -> bool {
        self.condition.is_none() && self.deleted == Deleted::Hidden
    }

    /// The same list of the rows in which further columns have a value.
    pub fn within<'b>(&self, fixed: &'b [(&'static str, Bind)]) -> List<'b>
    where
        'a: 'b,
    {
        let mut list: List<'b> = self.clone();
        list.fixed = fixed;
        list.fingerprint = list.fingerprint();
        list
    }

    pub(crate) fn tenant(&self) -> Uuid {
        self.tenant
    }

    pub(crate) fn fixed(&self) -> &'a [(&'static str, Bind)] {
        self.fixed
    }

    /// As [`List::push_visible`], of rows as they were: `past` is a statement of them whose WHERE goes on with what the caller may see, of rows
    /// `t` as they are now. The filter compares what it selects.
    pub(crate) fn push_visible_past(&self, sql: &mut Sql, past: &str) {
        sql.push(format!(" FROM ({past}"));
        predicate::push(sql, self.predicate);
        sql.push(") AS t");
        self.push_conditions(sql);
    }

    /// FROM and WHERE, without what the caller's permission and position add.
    fn push_source(&self, sql: &mut Sql) {
        sql.push(format!(" FROM {} AS t", self.table.name));
        self.push_conditions(sql);
    }

    fn push_conditions(&self, sql: &mut Sql) {
        if self.reads_unpacked() {
            sql.push(compile::custom::UNPACKED);
        }
        sql.push(" WHERE t.tenant_id = $1");
        self.deleted.push(sql, self.table);
        self.push_fixed(sql);
        if let Some(condition) = &self.condition {
            sql.push(" AND ");
            compile::condition(sql, condition);
        }
    }

    fn push_fixed(&self, sql: &mut Sql) {
        for (column, value) in self.fixed {
            let value = sql.bind(value.clone());
            sql.push(format!(" AND t.{column} = {value}"));
        }
    }

    fn reads_unpacked(&self) -> bool {
        self.condition.as_ref().is_some_and(Condition::reads_unpacked)
            || self.order.keys.iter().any(|key| key.field.is_unpacked())
    }

    /// What a page token is bound to: tenant, rows, order, and the columns that serve the fields used. Permissions are
    /// not in it, as they are applied anew on every page; nor are definitions of fields that the request does not use.
    fn fingerprint(&self) -> u128 {
        let mut sql = Sql::for_tenant(self.tenant);
        self.push_source(&mut sql);
        keyset::push_order(&mut sql, &self.order, Phase::Set);
        let mut bytes = Vec::with_capacity(512);
        bytes.extend_from_slice(sql.text().as_bytes());
        for bind in sql.binds() {
            // Tags and lengths keep neighbouring values apart.
            bind.write_hashable(&mut bytes);
        }
        xxh3_128(&bytes)
    }

    fn position(&self, row: &PgRow, phase: Phase) -> Result<Position, sqlx::Error> {
        let keys = self.order.keys.iter().enumerate().map(|(index, key)| read_key(row, index, key.kind));
        Ok(Position {
            unset_phase: phase == Phase::Unset,
            id: row.try_get("_id")?,
            keys: keys.collect::<Result<_, _>>()?,
        })
    }
}

/// Reads the page of `page_size` rows after `page_token` (empty: the first). Pages of a set that does not change
/// contain every row once.
pub async fn fetch_page(
    tx: &mut TenantTx,
    list: &List<'_>,
    projection: &Projection,
    key: &CursorKey,
    page_size: usize,
    page_token: &str,
) -> Result<Page, Error> {
    if tx.tenant_id() != list.tenant {
        return Err(Error::internal("a list was made for another tenant than its transaction's"));
    }
    let mut after = match page_token {
        "" => None,
        token => Some(Position::open(token, key, list.fingerprint)?),
    };
    if after.as_ref().is_some_and(|position| position.keys.len() != list.order.keys.len()) {
        return Err(refusal::token_mismatch());
    }
    // One row more tells whether there is a next page.
    let mut wanted = page_size.saturating_add(1);
    let (mut rows, mut phases) = (Vec::with_capacity(wanted.min(256)), Vec::with_capacity(wanted.min(256)));
    for phase in list.phases(after.as_ref()) {
        let statement = list.statement(projection, phase, after.as_ref(), wanted);
        let fetched = statement.into_query().fetch_all(tx.conn()).await.map_err(DbError::from)?;
        wanted -= fetched.len().min(wanted);
        phases.resize(phases.len() + fetched.len(), phase);
        rows.extend(fetched);
        if wanted == 0 {
            break;
        }
        // The second phase begins at its beginning.
        after = None;
    }
    let mut page = Page { rows, next_page_token: String::new(), phases };
    page.end_after(page_size, list, key)?;
    Ok(page)
}

impl List<'_> {
    /// The phases that are still to be read.
    fn phases(&self, after: Option<&Position>) -> Vec<Phase> {
        match self.order.keys.first() {
            Some(_) if after.is_some_and(|position| position.unset_phase) => vec![Phase::Unset],
            Some(key) if key.nullable && !self.asks_for(key) => vec![Phase::Set, Phase::Unset],
            _ => vec![Phase::Set],
        }
    }

    /// Whether the filter keeps only rows in which the key is set, as `custom.seats > 5` does.
    fn asks_for(&self, key: &Key<'_>) -> bool {
        let is_test_of_key = |condition: &Condition<'_>| matches!(condition, Condition::Test { field, negated: false, .. } if *field == key.field);
        match &self.condition {
            Some(Condition::And(parts)) => parts.iter().any(is_test_of_key),
            Some(condition) => is_test_of_key(condition),
            None => false,
        }
    }
}

fn read_key(row: &PgRow, index: usize, kind: KeyKind) -> Result<Option<Bind>, sqlx::Error> {
    let name = format!("_k{index}");
    let name = name.as_str();
    Ok(match kind {
        KeyKind::Int => row.try_get::<Option<i64>, _>(name)?.map(Bind::Int),
        KeyKind::Float => row.try_get::<Option<f64>, _>(name)?.map(Bind::Float),
        KeyKind::Bool => row.try_get::<Option<bool>, _>(name)?.map(Bind::Bool),
        KeyKind::Text => row.try_get::<Option<String>, _>(name)?.map(Bind::Text),
        KeyKind::Date => row.try_get::<Option<Date>, _>(name)?.map(Bind::Date),
        KeyKind::Time => row.try_get::<Option<OffsetDateTime>, _>(name)?.map(Bind::Time),
    })
}
