//! The work of an import: its file, its plan, its batches. `libs/operations` does claims and scheduling.

use auth::Context;
use db::{DbError, TenantTx};
use error::Reason;
use operations::{Claim, Job, Kept, Stop, Tally, Worked};
use prost::Message;
use proto::records::v1::CreateImportRequest;
use record::fence::{self, Tries};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::batch::{self, Outcome};
use super::file::{Header, Row};
use super::overlay;
use super::plan::{self, Plan, PlanError};
use super::session::{Session, Sessions};
use super::{Imports, KIND, store};

/// Rows of a batch while callers of other tenants come in numbers.
const ROWS_BESIDE: usize = 64;
/// After so many new records the planner's statistics are refreshed.
const ANALYZE_AFTER: i64 = 1_000;
/// Notes of a dry run that are removed in one transaction.
const FORGOTTEN: i64 = 5_000;

impl From<PlanError> for Stop {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Other(error) => error.into(),
            PlanError::Refused(failure) => Self::Failed(failure),
        }
    }
}

impl Imports {
    /// Works imports until `shutdown`.
    pub async fn work(self, shutdown: CancellationToken) {
        let job = Work { imports: self.clone(), sessions: Sessions::default() };
        operations::run(&self.operations, &self.queued, job, shutdown).await;
    }
}

/// What a dry run notes for its later batches.
#[derive(Clone, Copy, Debug)]
pub struct DryRuns;

impl Kept for DryRuns {
    async fn forget(&self, tx: &mut TenantTx, operation: Uuid, limit: i64) -> Result<bool, DbError> {
        overlay::forget(tx, operation, limit).await
    }
}

struct Work {
    imports: Imports,
    sessions: Sessions,
}

impl Job for Work {
    fn kinds(&self) -> &'static [&'static str] {
        &[KIND]
    }

    async fn work(&mut self, claim: &Claim) -> Result<Worked, Stop> {
        work(&self.imports, &mut self.sessions, claim).await
    }

    fn kept(&self) -> impl Kept {
        DryRuns
    }

    fn tidy(&mut self) {
        self.sessions.close_unused();
    }
}

async fn work(imports: &Imports, sessions: &mut Sessions, claim: &Claim) -> Result<Worked, Stop> {
    let request = CreateImportRequest::decode(claim.request.as_slice())
        .map_err(|_| Stop::failed(Reason::REQUEST_UNREADABLE))?;
    let mut session = match sessions.take(claim) {
        Some(session) => session,
        None => open(imports, claim, &request).await?,
    };
    let most = if imports.env.db.others_come(claim.tenant()) { ROWS_BESIDE } else { usize::MAX };
    let rows = claim.renewed(&imports.operations, session.rows(most)).await??;
    if rows.is_empty() {
        let is_large = claim.created >= ANALYZE_AFTER && !request.dry_run;
        if request.dry_run && forget_piece(imports, claim).await? {
            sessions.put(session);
            return Ok(Worked::Batch);
        }
        if let Some(object) = imports.find(&request.object).filter(|_| is_large) {
            let mut tx = imports.operations.worker.begin().await?;
            store::analyze(&mut tx, object.analyze, claim.created).await?;
            tx.commit().await?;
        }
        return Ok(Worked::All);
    }
    let done = run_batch(imports, claim, &request, &session.header, &rows).await;
    match &done {
        Ok(Outcome::Done(tally)) => session.advance(tally.done),
        Ok(Outcome::Cancelled | Outcome::Lost) => return Err(Stop::Over),
        Err(Stop::Later(_)) => session.shrink(),
        // It has ended, and its file is closed with it.
        Err(Stop::Failed(_) | Stop::Over) => return done.map(|_| Worked::Batch),
    }
    sessions.put(session);
    done.map(|_| Worked::Batch)
}

/// Removes a piece of what a dry run has noted and gives the turn back: there may be as much of it as the file has rows. `false`
/// when there is no more.
async fn forget_piece(imports: &Imports, claim: &Claim) -> Result<bool, Stop> {
    let mut tx = TenantTx::begin_job(&imports.env.db, claim.tenant()).await?;
    let Some(held) = claim.hold(&mut tx, batch::STATEMENT).await? else { return Err(Stop::Over) };
    let more = overlay::forget(&mut tx, claim.id, FORGOTTEN).await?;
    if more {
        held.checkpoint(&mut tx, Tally::default(), imports.env.clock.now_micros()).await?;
    }
    tx.commit().await?;
    Ok(more)
}

/// Opens the file of an import behind the rows that are done.
async fn open(imports: &Imports, claim: &Claim, request: &CreateImportRequest) -> Result<Session, Stop> {
    let file = claim.renewed(&imports.operations, imports.files.open(claim, request)).await??;
    let mut tx = TenantTx::begin_job(&imports.env.db, claim.tenant()).await?;
    store::set_detected(&mut tx, claim.id, file.form().encode_to_vec()).await?;
    tx.commit().await?;
    let (header, rows) = claim.renewed(&imports.operations, file.survey()).await??;
    // A mapping that does not fit fails a file without rows, too.
    claim.renewed(&imports.operations, prepare(imports, claim, request, &header)).await??;
    let mut tx = TenantTx::begin_job(&imports.env.db, claim.tenant()).await?;
    claim.set_total(&mut tx, rows as i64).await?;
    tx.commit().await?;
    Ok(Session::new(claim, header, file.rows(claim.done as u64)))
}

/// Works one batch by the permissions and definitions of now: a permission taken away meanwhile ends the import, and a batch
/// during which the definitions change is worked again by the new ones.
async fn run_batch(
    imports: &Imports,
    claim: &Claim,
    request: &CreateImportRequest,
    header: &Header,
    rows: &[Row],
) -> Result<Outcome, Stop> {
    let mut tries = Tries::default();
    loop {
        let (cx, plan) =
            claim.renewed(&imports.operations, prepare(imports, claim, request, header)).await??;
        match batch::run(imports, &cx, claim, &plan, (header, rows)).await {
            Err(error) if tries.again(&error) => {
                let object = plan.importable.object;
                claim.renewed(&imports.operations, fence::renew(&imports.env, &cx, object)).await??;
            }
            done => return Ok(done?),
        }
    }
}

/// Who asked for it, and the plan, by the permissions and definitions of now.
async fn prepare(
    imports: &Imports,
    claim: &Claim,
    request: &CreateImportRequest,
    header: &Header,
) -> Result<(Context, Plan), Stop> {
    let cx = imports.acting.context(claim).await?;
    let plan = plan::plan(imports, &cx, request, header).await?;
    Ok((cx, plan))
}
