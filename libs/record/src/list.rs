//! Lists records: the number of statements does not depend on the number of rows.

use auth::{Context, FieldMask};
use db::{DbError, TenantTx};
use error::Error;
use prost::Message;
use proto::common::v1::{Access, CountKind, ShowDeleted, Total, TotalKind, Warning};
use query::{Bind, Deleted, Limits, List, ListRequest, Projection, Schema, count};
use sqlx::postgres::PgRow;
use time::OffsetDateTime;
use tonic::Response;
use tonic::metadata::AsciiMetadataValue;

use super::cells::{Cells, Layout};
use super::definitions::{FieldSet, keys_in, newer};
use super::include::{Referred, Wanted};
use super::view::{Source, View};
use super::{Object, access};
use crate::Env;

/// A list as it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub filter: &'a str,
    pub order_by: &'a str,
    pub page_size: Option<i32>,
    pub page_token: &'a str,
    pub fields: &'a str,
    pub include: &'a str,
    pub show_deleted: i32,
    pub count: i32,
}

/// What an operation decides of a list, and not its caller.
#[derive(Clone, Copy, Debug, Default)]
pub struct Within<'a> {
    /// Columns that have a value.
    pub fixed: &'a [(&'static str, Bind)],
    /// The order, which an index of these columns serves. Empty: the caller's.
    pub order_by: &'static str,
}

/// One page, every record as its caller sees it.
#[derive(Debug)]
pub struct Listed<T> {
    pub records: Vec<T>,
    pub next_page_token: String,
    pub total: Option<Total>,
    /// What of `include` is missing.
    pub warnings: Vec<Warning>,
    /// What the list cost beside others.
    pub cost: u64,
}

impl<T> Listed<T> {
    /// The response, whose metadata say what the list cost.
    pub fn respond<M>(
        self,
        cx: &Context,
        make: impl FnOnce(Vec<T>, String, Option<Total>, Vec<Warning>) -> M,
    ) -> Response<M> {
        let Self { records, next_page_token, total, warnings, cost } = self;
        charged(cx.answer(make(records, next_page_token, total, warnings)), cost)
    }
}

/// The response, whose metadata say what it cost; the gateway charges by it.
pub fn charged<M>(mut response: Response<M>, cost: u64) -> Response<M> {
    response.metadata_mut().insert("request-cost", AsciiMetadataValue::from(cost));
    response
}

/// Reads one page of the records that the caller may see, and what each refers to; `convert` makes the wire form of each.
pub(crate) async fn list<T>(
    env: &Env,
    cx: &Context,
    object: &'static Object,
    (asked, within): (Asked<'_>, Within<'_>),
    wanted: &Wanted,
    convert: Convert<T>,
) -> Result<(Listed<T>, Vec<Referred>), Error> {
    let keys = keys_in(&[asked.filter, asked.order_by, asked.fields]);
    let set = env.definitions.for_keys(cx, object, keys.iter().copied()).await?;
    match by_definitions(env, cx, object, (asked, within), (&set, wanted), convert).await {
        Err(refused) => {
            let newer = newer(env, cx, object, (&keys, &set), refused).await?;
            by_definitions(env, cx, object, (asked, within), (&newer, wanted), convert).await
        }
        done => done,
    }
}

async fn by_definitions<T>(
    env: &Env,
    cx: &Context,
    object: &'static Object,
    (asked, within): (Asked<'_>, Within<'_>),
    (set, wanted): (&FieldSet, &Wanted),
    convert: Convert<T>,
) -> Result<(Listed<T>, Vec<Referred>), Error> {
    let page_size = query::list::page_size(asked.page_size)?;
    let mask = set.mask(object, cx.mask(object.name));
    let fields = wanted.fields(asked.fields, &mask);
    let projection = Projection::parse(object.columns(), Some(set.queryable()), &mask, &fields)?;
    let filter = query::filter::parse(asked.filter)?;
    let now = env.clock.now_micros();
    let request = ListRequest {
        schema: Schema {
            table: object.table(),
            custom: set.queryable(),
            mask: &mask,
            region: env.region,
            now,
        },
        predicate: cx.reached(),
        fixed: within.fixed,
        deleted: match ShowDeleted::try_from(asked.show_deleted) {
            Ok(ShowDeleted::Only) => Deleted::Only,
            _ => Deleted::Hidden,
        },
        filter: filter.as_ref(),
        order_by: asked.order_by,
        limits: Limits::default(),
    };
    let count = counted(asked.count);
    let mut tx = begin(env, cx, &request, asked.fields, count.is_none()).await?;
    let mut list = List::open(&mut tx, &request).await?;
    if list.cost() > 1 && env.db.others_come(cx.tenant) {
        tx.rollback().await?;
        let turn = env.db.long_turn(cx.tenant).await?;
        tx = TenantTx::begin_snapshot(&env.db, cx.tenant).await?;
        if let Some(turn) = turn {
            tx.keep(turn);
        }
        list = List::open(&mut tx, &request).await?;
    }
    let list = within.ordered(&tx, list, &request)?;
    let mut page =
        query::fetch_page(&mut tx, &list, &projection, &env.cursor_key, page_size, asked.page_token).await?;
    let total = total(&mut tx, &list, count).await?;
    tx.commit().await?;
    let shown = Shown { cx, object, set, mask: &mask, projection: &projection, wanted, convert, now };
    let (records, referred) = shown.records(&page.rows, &mut { query::list::MAX_PAGE_BYTES })?;
    page.end_after(records.len(), &list, &env.cursor_key)?;
    let (next_page_token, cost) = (page.next_page_token, list.cost());
    Ok((Listed { records, next_page_token, total, warnings: Vec::new(), cost }, referred))
}

impl Within<'_> {
    /// The list in the order of the operation. What it costs is said of the caller's part.
    pub(super) fn ordered<'l>(
        &self,
        tx: &TenantTx,
        list: List<'l>,
        request: &ListRequest<'l>,
    ) -> Result<List<'l>, Error> {
        if self.order_by.is_empty() {
            return Ok(list);
        }
        // The filter was checked by what the caller sees; the order is none of the caller's.
        let schema = Schema { mask: seen_by_operations(), ..request.schema };
        let own = ListRequest { schema, order_by: self.order_by, limits: Limits::NONE, ..*request };
        List::new(tx.tenant_id(), &own)
    }
}

/// Nothing is hidden.
fn seen_by_operations() -> &'static FieldMask {
    static ALL: std::sync::OnceLock<FieldMask> = std::sync::OnceLock::new();
    ALL.get_or_init(FieldMask::default)
}

/// Makes the wire form of a record.
pub(super) type Convert<T> = fn(View<'_>, Option<Access>) -> Result<T, Error>;

/// How rows are shown to their caller.
pub(super) struct Shown<'a, T> {
    pub(super) cx: &'a Context,
    pub(super) object: &'static Object,
    pub(super) set: &'a FieldSet,
    pub(super) mask: &'a FieldMask,
    pub(super) projection: &'a Projection,
    pub(super) wanted: &'a Wanted,
    pub(super) convert: Convert<T>,
    pub(super) now: OffsetDateTime,
}

impl<T> Shown<'_, T> {
    /// The first rows that are not more than so many `bytes` together, one at least, and what they refer to. Takes their bytes off.
    pub(super) fn records(
        &self,
        rows: &[PgRow],
        bytes: &mut usize,
    ) -> Result<(Vec<T>, Vec<Referred>), Error> {
        let Self { cx, object, set, mask, now, .. } = *self;
        let layout = rows.first().map(|row| Layout::of(row, object.columns())).transpose();
        let layout = layout.map_err(DbError::from)?;
        let mut records = Vec::with_capacity(rows.len());
        let mut all_referred = Vec::new();
        for (row, layout) in rows.iter().zip(layout.iter().cycle()) {
            let cells = Cells::of(row, layout).map_err(DbError::from)?;
            let access = self.wanted.access.then(|| access::of(cx, object, set, mask, cells.keys.facts()));
            let of_access = access.as_ref().map_or(0, Message::encoded_len);
            let view = View { source: Source::Row(&cells), mask, asked: self.projection.custom_keys(), now };
            let record = (self.convert)(view, access)?;
            let referred = self.wanted.referred(object, cells.keys.id, &view);
            // Not earlier: what custom values take is known when they are converted.
            let size = cells.most_bytes() + of_access + referred.bytes();
            if size > *bytes && !records.is_empty() {
                break;
            }
            *bytes = bytes.saturating_sub(size);
            records.push(record);
            all_referred.push(referred);
        }
        Ok((records, all_referred))
    }
}

/// Begins to read, with kept plans where the statement has one best plan, is the `only_statement` and has all fields: with fields of the
/// caller's choice the number of statements, and so of plans that a connection keeps, would be the caller's as well.
pub(super) async fn begin(
    env: &Env,
    cx: &Context,
    request: &ListRequest<'_>,
    fields: &str,
    only_statement: bool,
) -> Result<TenantTx, DbError> {
    if only_statement && fields.is_empty() && request.has_one_plan() {
        TenantTx::begin_snapshot_with_kept_plans(&env.db, cx.tenant).await
    } else {
        TenantTx::begin_snapshot(&env.db, cx.tenant).await
    }
}

/// How the rows are to be counted, if at all.
fn counted(kind: i32) -> Option<CountKind> {
    CountKind::try_from(kind).ok().filter(|kind| matches!(kind, CountKind::Exact | CountKind::Estimate))
}

async fn total(tx: &mut TenantTx, list: &List<'_>, kind: Option<CountKind>) -> Result<Option<Total>, Error> {
    let counted = match kind {
        Some(CountKind::Exact) => count::exact(tx, list).await?,
        Some(CountKind::Estimate) => count::estimate(tx, list).await?,
        _ => return Ok(None),
    };
    let kind = if counted.at_least { TotalKind::AtLeast } else { TotalKind::Exact };
    Ok(Some(Total { value: counted.value, kind: kind as i32 }))
}
