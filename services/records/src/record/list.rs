//! Lists records: the number of statements does not depend on the number of rows.

use auth::{Context, FieldMask};
use db::{DbError, TenantTx};
use error::Error;
use proto::common::v1::{Access, CountKind, ShowDeleted, Total, TotalKind};
use query::{Deleted, Limits, List, ListRequest, Projection, Schema, count};

use super::definitions::keys_in;
use super::view::View;
use super::{Object, Record, access};
use crate::App;

/// The stages of life, as filters name them.
pub(crate) const LIFECYCLES: [&str; 5] = ["lead", "qualified", "customer", "former", "other"];
const DEFAULT_PAGE_SIZE: usize = 50;
const MAX_PAGE_SIZE: usize = 200;

/// A list as it was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) filter: &'a str,
    pub(crate) order_by: &'a str,
    pub(crate) page_size: Option<i32>,
    pub(crate) page_token: &'a str,
    pub(crate) fields: &'a str,
    pub(crate) include: &'a str,
    pub(crate) show_deleted: i32,
    pub(crate) count: i32,
}

/// One page.
#[derive(Debug)]
pub(crate) struct Listed {
    rows: Vec<(Record, Option<Access>)>,
    mask: FieldMask,
    asked: Vec<String>,
    pub(crate) next_page_token: String,
    pub(crate) total: Option<Total>,
}

impl Listed {
    /// Every record as the caller sees it.
    pub(crate) fn map<T>(&self, convert: fn(View<'_>, Option<Access>) -> T) -> Vec<T> {
        let view = |record| View { record, mask: &self.mask, asked: &self.asked };
        self.rows.iter().map(|(record, access)| convert(view(record), access.clone())).collect()
    }
}

/// Reads one page of the records that the caller may see.
pub(crate) async fn list(
    app: &App,
    cx: &Context,
    object: &'static Object,
    asked: Asked<'_>,
) -> Result<Listed, Error> {
    let predicate = cx.authorize(object.name, "read")?;
    let page_size = page_size(asked.page_size)?;
    let with_access = access::wanted(asked.include)?;
    let keys = keys_in(&[asked.filter, asked.order_by, asked.fields]);
    let set = app.definitions.for_keys(cx, object, keys).await?;
    let mask = set.mask(object, cx.mask(object.name));
    let projection = Projection::parse(object.columns, Some(set.queryable()), &mask, asked.fields)?;
    let filter = query::filter::parse(asked.filter)?;
    let mut request = ListRequest {
        schema: Schema { table: object.table, custom: set.queryable(), mask: &mask },
        predicate: &predicate,
        fixed: &[],
        deleted: match ShowDeleted::try_from(asked.show_deleted) {
            Ok(ShowDeleted::Only) => Deleted::Only,
            _ => Deleted::Hidden,
        },
        filter: filter.as_ref(),
        order_by: asked.order_by,
        limits: Limits::default(),
    };
    let mut tx = TenantTx::begin_snapshot(&app.db, cx.tenant).await?;
    let list = match List::new(tx.tenant_id(), &request) {
        // Only then is it worth knowing how many rows there are.
        Err(error)
            if error.reason() == "FIELD_NOT_INDEXED" && count::is_small(&mut tx, object.table).await? =>
        {
            request.limits = Limits { allow_unindexed: true };
            List::new(tx.tenant_id(), &request)?
        }
        list => list?,
    };
    let page =
        query::fetch_page(&mut tx, &list, &projection, &app.cursor_key, page_size, asked.page_token).await?;
    let total = total(&mut tx, &list, asked.count).await?;
    tx.commit().await?;
    let mut rows = Vec::with_capacity(page.rows.len());
    for row in &page.rows {
        let record = Record::from_row(row, object.columns).map_err(DbError::from)?;
        let access = with_access.then(|| access::of(cx, object, &set, &mask, &record));
        rows.push((record, access));
    }
    let asked = projection.custom_keys().to_vec();
    Ok(Listed { rows, mask, asked, next_page_token: page.next_page_token, total })
}

fn page_size(asked: Option<i32>) -> Result<usize, Error> {
    let Some(asked) = asked else { return Ok(DEFAULT_PAGE_SIZE) };
    usize::try_from(asked).ok().filter(|size| (1..=MAX_PAGE_SIZE).contains(size)).ok_or_else(|| {
        Error::malformed("PAGE_SIZE_INVALID", format!("page_size must be from 1 to {MAX_PAGE_SIZE}"))
            .with_metadata("parameter", "page_size")
    })
}

async fn total(tx: &mut TenantTx, list: &List<'_>, kind: i32) -> Result<Option<Total>, Error> {
    let counted = match CountKind::try_from(kind) {
        Ok(CountKind::Exact) => count::exact(tx, list).await?,
        Ok(CountKind::Estimate) => count::estimate(tx, list).await?,
        _ => return Ok(None),
    };
    let kind = if counted.at_least { TotalKind::AtLeast } else { TotalKind::Exact };
    Ok(Some(Total { value: counted.value, kind: kind as i32 }))
}
