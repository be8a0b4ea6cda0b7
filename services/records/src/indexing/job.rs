//! The work of an index: the slot of every record, batch by batch, and then the word that it is whole.
//!
//! Writers fill the slot from the moment on at which the fence has the definitions that name it. The fence is raised before the first
//! record is looked at, so what is behind the job and what comes new is filled, whenever it is written.

use std::sync::Arc;

use auth::Context;
use db::TenantTx;
use error::Reason;
use operations::{Claim, Job, Kept, Stop, Tally, Worked};
use prost::Message;
use proto::records::v1::IndexFieldRequest;
use record::definitions::Definition;
use record::{Object, fence};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{KIND, store};
use crate::App;
use crate::peers::SlotStep;

/// Statement and lock timeout of a batch, in milliseconds.
const STATEMENT: i32 = 1_000;

/// Fills indexes until `shutdown`.
pub(crate) async fn run(app: Arc<App>, shutdown: CancellationToken) {
    let job = Indexing { app: app.clone() };
    operations::run(&app.operations, &app.indexing, job, shutdown).await;
}

struct Indexing {
    app: Arc<App>,
}

impl Job for Indexing {
    fn kinds(&self) -> &'static [&'static str] {
        &[KIND]
    }

    async fn work(&mut self, claim: &Claim) -> Result<Worked, Stop> {
        let request = IndexFieldRequest::decode(claim.request.as_slice())
            .map_err(|_| Stop::failed(Reason::REQUEST_UNREADABLE))?;
        work(&self.app, claim, request).await
    }

    fn kept(&self) -> impl Kept {}
}

async fn work(app: &App, claim: &Claim, request: IndexFieldRequest) -> Result<Worked, Stop> {
    let object = app.env.object(&request.object).ok_or_else(|| Stop::failed(Reason::REQUEST_UNREADABLE))?;
    let (cx, field) = claim.renewed(&app.operations, prepare(app, claim, object, &request.id)).await??;
    if !field.filling {
        return Ok(Worked::All);
    }
    if batch(app, claim, object).await? {
        return Ok(Worked::Batch);
    }
    let finish = (app.slots)(cx, SlotStep::Finish, request.object, request.id);
    claim.renewed(&app.operations, finish).await??;
    app.env.definitions.forget(claim.tenant().id().uuid());
    Ok(Worked::All)
}

/// Who asked for it, and the field by the definitions of now, which the fence has as well.
async fn prepare(
    app: &App,
    claim: &Claim,
    object: &'static Object,
    id: &str,
) -> Result<(Context, Definition), Stop> {
    let cx = app.context(claim).await?;
    let set = app.env.definitions.renew(&cx, object).await?;
    fence::renew(&app.env, &cx, object).await?;
    let id = Uuid::try_parse(id).unwrap_or_default();
    let field = set.all().iter().find(|field| field.id == id && field.is_usable() && field.slot.is_some());
    // Archived meanwhile; its slot may be another's by now.
    let field = field.cloned().ok_or_else(|| Stop::failed(Reason::FIELD_STATE_INVALID))?;
    Ok((cx, field))
}

/// Fills the slot of the next records; `false` when there are no more.
async fn batch(app: &App, claim: &Claim, object: &'static Object) -> Result<bool, Stop> {
    let mut tx = TenantTx::begin_job(&app.env.db, claim.tenant()).await?;
    let Some(held) = claim.hold(&mut tx, STATEMENT).await? else { return Err(Stop::Over) };
    let now = app.env.clock.now_micros();
    if held.cancelled {
        held.cancel(&mut tx, now).await?;
        tx.commit().await?;
        return Err(Stop::Over);
    }
    let after = store::after(&mut tx, claim.id).await?.unwrap_or_default();
    let filled = record::fill(&mut tx, object, after).await?;
    let tally = Tally {
        done: filled.seen,
        updated: filled.changed,
        skipped: filled.seen - filled.changed,
        ..Tally::default()
    };
    held.checkpoint(&mut tx, tally, now).await?;
    if let Some(last) = filled.last {
        store::advance(&mut tx, claim.id, last).await?;
    }
    tx.commit().await?;
    Ok(filled.last.is_some())
}
