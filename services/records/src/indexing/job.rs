//! The work of an index: the slot of every record, batch by batch, and then the word that it is whole.
//!
//! Writers fill the slot from the moment on at which the fence has the definitions that name it. The fence is raised before the first
//! record is looked at, so what is behind the job and what comes new is filled, whenever it is written.
//!
//! That holds for one assignment of a slot to the field. While an operation waits, the field can be archived, lose its slot, and get
//! another: so the operation keeps the number of the assignment that it fills, ends when the field has another one, and says of no
//! other one that it is whole. It looks at every record itself, also where another operation has said so before.

use std::sync::Arc;

use auth::Context;
use db::TenantTx;
use error::{Error, Reason};
use operations::{Claim, Job, Kept, Stop, Tally, Worked};
use prost::Message;
use proto::records::v1::IndexFieldRequest;
use record::definitions::{Definition, FieldSet};
use record::fence::Tries;
use record::{Object, fence};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::store::Place;
use super::{KIND, store};
use crate::App;
use crate::peers::SlotStep;

/// Statement and lock timeout of a batch, in milliseconds.
const STATEMENT: i32 = 1_000;

/// What the fields service refuses for good.
const REFUSALS: [Reason; 4] = [
    Reason::FIELD_NOT_FOUND,
    Reason::FIELD_STATE_INVALID,
    Reason::FIELD_NOT_INDEXABLE,
    Reason::FIELD_LIMIT_REACHED,
];

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
    let mut tries = Tries::default();
    loop {
        match turn(app, claim, object, &request).await {
            Err(Stop::Later(error)) if tries.again(&error) => {}
            worked => return worked,
        }
    }
}

async fn turn(
    app: &App,
    claim: &Claim,
    object: &'static Object,
    request: &IndexFieldRequest,
) -> Result<Worked, Stop> {
    let place = place(app, claim).await?;
    let cx = claim.renewed(&app.operations, app.acting.context(claim)).await??;
    let mut current = claim.renewed(&app.operations, look_up(app, &cx, object, &request.id)).await??;
    if place.is_none() && current.field.slot.is_none() {
        say(app, claim, &cx, SlotStep::Assign, request).await?;
        current = claim.renewed(&app.operations, look_up(app, &cx, object, &request.id)).await??;
    }
    let Current { set, field } = current;
    let assignment = field.slot_assignment;
    if field.slot.is_none() || place.is_some_and(|place| place.assignment != assignment) {
        return Err(Stop::failed(Reason::FIELD_STATE_INVALID));
    }
    let after = place.map_or(Uuid::nil(), |place| place.after);
    if batch(app, claim, object, &set, Place { assignment, after }).await? {
        return Ok(Worked::Batch);
    }
    if field.filling {
        say(app, claim, &cx, SlotStep::Finish(assignment), request).await?;
        app.env.definitions.forget(claim.tenant().id().uuid());
        compare_anew(app, claim, object).await?;
    }
    Ok(Worked::All)
}

async fn place(app: &App, claim: &Claim) -> Result<Option<Place>, Stop> {
    let mut tx = TenantTx::begin_job(&app.env.db, claim.tenant()).await?;
    let place = store::place(&mut tx, claim.id).await?;
    tx.commit().await?;
    Ok(place)
}

/// The definitions of now, and the field by them.
struct Current {
    set: Arc<FieldSet>,
    field: Definition,
}

/// Brings the fence to the definitions of now as well.
async fn look_up(app: &App, cx: &Context, object: &'static Object, id: &str) -> Result<Current, Stop> {
    let set = app.env.definitions.renew(cx, object).await?;
    fence::renew(&app.env, cx, object).await?;
    let id = Uuid::try_parse(id).unwrap_or_default();
    let field = set.all().iter().find(|field| field.id == id && field.is_usable()).cloned();
    // Archived meanwhile; its slot may be another's by now.
    let field = field.ok_or_else(|| Stop::failed(Reason::FIELD_STATE_INVALID))?;
    Ok(Current { set, field })
}

/// Says a step to the fields service. What it refuses for good fails the operation.
async fn say(
    app: &App,
    claim: &Claim,
    cx: &Context,
    step: SlotStep,
    request: &IndexFieldRequest,
) -> Result<(), Stop> {
    let said = (app.slots)(cx.clone(), step, request.object.clone(), request.id.clone());
    let refused = |error: Error| match REFUSALS.into_iter().find(|reason| error.reason() == *reason) {
        Some(reason) => Stop::failed(reason),
        None => error.into(),
    };
    claim.renewed(&app.operations, said).await?.map_err(refused)
}

/// Fills the slot of the next records; `false` when there are no more.
async fn batch(
    app: &App,
    claim: &Claim,
    object: &'static Object,
    set: &FieldSet,
    place: Place,
) -> Result<bool, Stop> {
    let mut tx = TenantTx::begin_job(&app.env.db, claim.tenant()).await?;
    let Some(held) = claim.hold(&mut tx, STATEMENT).await? else { return Err(Stop::Over) };
    let now = app.env.clock.now_micros();
    if held.cancelled {
        held.cancel(&mut tx, now).await?;
        tx.commit().await?;
        return Err(Stop::Over);
    }
    let filled = record::fill(&mut tx, object, set, place.after).await?;
    let tally = Tally {
        done: filled.seen,
        updated: filled.changed,
        skipped: filled.seen - filled.changed,
        ..Tally::default()
    };
    held.checkpoint(&mut tx, tally, now).await?;
    // Also behind the last of all: whoever goes on after a crash counts none of them again.
    if let Some(after) = filled.last {
        store::advance(&mut tx, claim.id, Place { after, ..place }).await?;
    }
    tx.commit().await?;
    Ok(filled.more)
}

/// What an instance has written meanwhile that does not know of filling is without the slot. While two versions of the program work
/// side by side there is such a one; the comparison finds what it has written.
async fn compare_anew(app: &App, claim: &Claim, object: &Object) -> Result<(), Stop> {
    let mut tx = TenantTx::begin_job(&app.env.db, claim.tenant()).await?;
    record::compare_anew(&mut tx, object, app.env.clock.now_micros()).await?;
    tx.commit().await?;
    Ok(())
}
