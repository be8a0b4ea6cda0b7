//! `ListAuditLog`.

use auth::Context;
use db::TenantTx;
use error::Error;
use prost_types::Timestamp;
use proto::identity::v1 as pb;
use query::page::{Newest, PageRequest};
use time::OffsetDateTime;
use uuid::Uuid;

use super::store::Wanted;
use super::{convert, malformed, store};
use crate::app::App;
use crate::changes::AuditRow;

/// The most bytes of entries on a page: values before and after may be large.
const PAGE_BYTES: usize = 1 << 20;

/// One page of the log, the newest first.
///
/// Errors: 403 `PERMISSION_DENIED`, 400 `QUERY_MALFORMED`, and those of pages.
#[tracing::instrument(name = "identity.audit.list", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::ListAuditLogRequest,
) -> Result<pb::ListAuditLogResponse, Error> {
    cx.require_scope_all()?;
    let wanted = read(&request)?;
    let page = page(app, cx, &request)?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let mut rows =
        store::list(&mut tx, &wanted, (page.after.created_at, number(page.after.id)), page.limit()).await?;
    tx.commit().await?;
    let most = fitting(&rows);
    let next_page_token = page.cut(&mut rows, most, place)?;
    Ok(pb::ListAuditLogResponse { entries: rows.iter().map(convert::to_proto).collect(), next_page_token })
}

/// What the request filters by.
fn read(request: &pb::ListAuditLogRequest) -> Result<Wanted, Error> {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Ok(Wanted {
        actor: id("actor_id", &request.actor_id)?,
        record: id("record_id", &request.record_id)?,
        action: text(&request.action),
        object: text(&request.object),
        from: instant("from", request.from.as_ref())?,
        to: instant("to", request.to.as_ref())?,
        after: request.after_sequence,
    })
}

fn id(parameter: &'static str, text: &str) -> Result<Option<Uuid>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let read = Uuid::try_parse(text).map_err(|_| malformed(parameter, "must be an id"));
    read.map(Some)
}

fn instant(parameter: &'static str, sent: Option<&Timestamp>) -> Result<Option<OffsetDateTime>, Error> {
    let read =
        |sent| proto::moment(sent).ok_or_else(|| malformed(parameter, "must be an instant of the calendar"));
    sent.map(read).transpose()
}

/// A token is for the same caller and the same filter.
fn page<'a>(
    app: &'a App,
    cx: &Context,
    request: &pb::ListAuditLogRequest,
) -> Result<PageRequest<'a, Newest>, Error> {
    let (tenant, principal) = (cx.tenant.id().uuid(), cx.principal.id);
    let instant = |sent: &Option<Timestamp>| {
        sent.as_ref().map(|at| format!("{}.{}", at.seconds, at.nanos)).unwrap_or_default()
    };
    let (from, to) = (instant(&request.from), instant(&request.to));
    let list = [
        &b"audit log"[..],
        tenant.as_bytes(),
        principal.as_bytes(),
        request.actor_id.as_bytes(),
        request.action.as_bytes(),
        request.object.as_bytes(),
        request.record_id.as_bytes(),
        from.as_bytes(),
        to.as_bytes(),
        &request.after_sequence.to_be_bytes(),
    ];
    PageRequest::read(&app.pages, &list, request.page_size, &request.page_token)
}

/// How many of the rows fit on a page.
fn fitting(rows: &[AuditRow]) -> usize {
    let size = |text: &Option<String>| text.as_deref().map_or(0, str::len);
    let mut bytes = 0;
    rows.iter()
        .take_while(|row| {
            bytes += size(&row.before) + size(&row.after);
            bytes <= PAGE_BYTES
        })
        .count()
}

fn place(row: &AuditRow) -> Newest {
    Newest { created_at: row.at, id: Uuid::from_u128(row.sequence.unsigned_abs().into()) }
}

/// The number that [`place`] made an id of; the first page begins with the greatest id.
fn number(id: Uuid) -> i64 {
    i64::try_from(id.as_u128()).unwrap_or(i64::MAX)
}
