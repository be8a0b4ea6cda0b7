//! The work of bulk operations and of their undoing. `libs/operations` does claims and scheduling.

use auth::Context;
use error::{Error, Reason};
use operations::{Claim, Detail, Failure, Job, Kept, Stop, Worked, undo};
use prost::Message;
use proto::records::v1::UndoOperationRequest;
use record::fence::{self, Tries};
use record::prepare::Path;
use tokio_util::sync::CancellationToken;

use crate::asked::{Action, Asked, Change};
use crate::batch::{self, Batch};
use crate::{Bulk, KINDS, UNDO, detail};

/// Records of a batch, and while callers of other tenants come in numbers.
const BATCH: i64 = 250;
const BATCH_BESIDE: i64 = 50;

impl Bulk {
    /// Works operations until `shutdown`.
    pub async fn work(self, shutdown: CancellationToken) {
        let job = Bulks { bulk: self.clone(), most: BATCH };
        operations::run(&self.operations, &self.queued, job, shutdown).await;
    }
}

struct Bulks {
    bulk: Bulk,
    /// Records of the next batch: fewer after one that took too long.
    most: i64,
}

impl Job for Bulks {
    fn kinds(&self) -> &'static [&'static str] {
        KINDS
    }

    async fn work(&mut self, claim: &Claim) -> Result<Worked, Stop> {
        let bulk = &self.bulk;
        let most =
            if bulk.env.db.others_come(claim.tenant()) { self.most.min(BATCH_BESIDE) } else { self.most };
        let worked = work(bulk, claim, most).await;
        self.most = match &worked {
            Err(Stop::Later(_)) => (self.most / 2).max(1),
            _ => (self.most * 2).min(BATCH),
        };
        worked
    }

    fn kept(&self) -> impl Kept {}
}

async fn work(bulk: &Bulk, claim: &Claim, most: i64) -> Result<Worked, Stop> {
    let (asked, path) = asked(bulk, claim).await?;
    let object = asked.target.object;
    let mut tries = Tries::default();
    loop {
        let cx = claim.renewed(&bulk.operations, bulk.acting.context(claim)).await??;
        if !cx.snapshot.allows(object.name, asked.action.permission()) {
            return Err(denied(&asked));
        }
        let (change, terms) = claim.renewed(&bulk.operations, prepare(bulk, &cx, &asked, path)).await??;
        match batch::run(bulk, &cx, claim, (&asked, &change, path), (&terms, most)).await {
            Ok(Batch::Done) => return Ok(Worked::Batch),
            Ok(Batch::Empty) => return Ok(Worked::All),
            Ok(Batch::Over) => return Err(Stop::Over),
            Err(error) if tries.again(&error) => {
                claim.renewed(&bulk.operations, fence::renew(&bulk.env, &cx, object)).await??;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What was asked for, and whether it is taken back.
async fn asked(bulk: &Bulk, claim: &Claim) -> Result<(Asked, Path), Stop> {
    let unreadable = || Stop::failed(Reason::REQUEST_UNREADABLE);
    let (request, path) = if claim.kind == UNDO {
        let UndoOperationRequest { id } =
            UndoOperationRequest::decode(claim.request.as_slice()).map_err(|_| unreadable())?;
        let of = undo::own_id(&bulk.operations, &id).map_err(|_| unreadable())?;
        let mut tx = db::TenantTx::begin_job(&bulk.env.db, claim.tenant()).await?;
        let stored = undo::read(&mut tx, &[of]).await?;
        tx.commit().await?;
        (stored.into_iter().next().map(|(_, request, _)| request).ok_or_else(unreadable)?, Path::Undo)
    } else {
        (claim.request.clone(), Path::Bulk)
    };
    let request = detail::request(&request).ok_or_else(unreadable)?;
    let asked = Asked::read(bulk.targets, (&request.object, &request.action, &request.changes));
    Ok((asked.map_err(|_| unreadable())?, path))
}

/// What is done with each record by the definitions and permissions of now. A field that was archived or hidden meanwhile ends the
/// operation.
async fn prepare(
    bulk: &Bulk,
    cx: &Context,
    asked: &Asked,
    path: Path,
) -> Result<(Change, crate::create::Terms), Stop> {
    let terms = bulk.terms(cx, asked, "").await?;
    let change = match (path, asked.action) {
        (Path::Undo, Action::Delete) => Ok(Change::Restore),
        (Path::Undo, Action::Restore) => Ok(Change::Delete),
        (Path::Undo, _) => Ok(Change::Revert(asked.written())),
        _ => asked.change(bulk, cx, (&terms.set, &terms.mask)).await,
    };
    match change {
        Ok(change) => Ok((change, terms)),
        Err(error) if error.violations().is_empty() => Err(error.into()),
        Err(error) => Err(no_longer_valid(&error)),
    }
}

fn no_longer_valid(error: &Error) -> Stop {
    let details = error.violations().iter().map(|violation| {
        let field = violation.pointer.trim_start_matches("/changes/").replace('/', ".");
        Detail::of_field(&field, violation.detail.clone().into_owned())
    });
    Stop::Failed(Failure { reason: Reason::CHANGES_INVALID, line: None, details: details.collect() })
}

fn denied(asked: &Asked) -> Stop {
    let text = format!("missing permission {}.{}", asked.target.object.name, asked.action.permission());
    let details = vec![Detail::of_field("object", text)];
    Stop::Failed(Failure { reason: Reason::PERMISSION_DENIED, line: None, details })
}
