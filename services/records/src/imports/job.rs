//! The work of an import: its file, its plan, its batches. `libs/operations` does claims and scheduling.

use std::sync::Arc;

use auth::Context;
use db::{DbError, TenantTx};
use error::{Error, Reason};
use operations::{Claim, Detail, Failure, Job, Kept, Stop, Tally, Worked};
use prost::Message;
use proto::records::v1::CreateImportRequest;
use record::fence::{self, Tries};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::KIND;
use super::batch::{self, Outcome};
use super::header::Header;
use super::options::Said;
use super::overlay;
use super::plan::{self, Plan, PlanError};
use super::session::{Session, Sessions};
use super::source::{IMPORT_WAITS, Source};
use super::store;
use super::table::{Row, TableError};
use crate::App;
use crate::uploads;

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

impl From<TableError> for Stop {
    fn from(error: TableError) -> Self {
        match (error.reason(), error) {
            (_, TableError::Header(fault)) => {
                let detail = Detail { text: fault.detail, ..Detail::default() };
                Self::Failed(Failure { reason: fault.reason, line: Some(fault.line), details: vec![detail] })
            }
            (Some(reason), _) => Self::failed(reason),
            (None, error) => Self::Later(Error::internal(error)),
        }
    }
}

/// Works imports until `shutdown`.
pub(crate) async fn run(app: Arc<App>, shutdown: CancellationToken) {
    let job = Imports { app: app.clone(), sessions: Sessions::default() };
    operations::run(&app.operations, &app.imports, job, shutdown).await;
}

/// What a dry run notes for its later batches.
#[derive(Clone, Copy, Debug)]
pub struct DryRuns;

impl Kept for DryRuns {
    async fn forget(&self, tx: &mut TenantTx, operation: Uuid, limit: i64) -> Result<bool, DbError> {
        overlay::forget(tx, operation, limit).await
    }
}

struct Imports {
    app: Arc<App>,
    sessions: Sessions,
}

impl Job for Imports {
    fn kinds(&self) -> &'static [&'static str] {
        &[KIND]
    }

    async fn work(&mut self, claim: &Claim) -> Result<Worked, Stop> {
        work(&self.app, &mut self.sessions, claim).await
    }

    fn kept(&self) -> impl Kept {
        DryRuns
    }

    fn tidy(&mut self) {
        self.sessions.close_unused();
    }
}

async fn work(app: &App, sessions: &mut Sessions, claim: &Claim) -> Result<Worked, Stop> {
    let request = CreateImportRequest::decode(claim.request.as_slice())
        .map_err(|_| Stop::failed(Reason::REQUEST_UNREADABLE))?;
    let mut session = match sessions.take(claim) {
        Some(session) => session,
        None => open(app, claim, &request).await?,
    };
    let most = if app.env.db.others_come(claim.tenant()) { ROWS_BESIDE } else { usize::MAX };
    let rows = claim.renewed(&app.operations, session.rows(most)).await??;
    if rows.is_empty() {
        if request.dry_run && forget_piece(app, claim).await? {
            sessions.put(session);
            return Ok(Worked::Batch);
        }
        if claim.created >= ANALYZE_AFTER && !request.dry_run {
            let mut tx = app.operations.worker.begin().await?;
            store::analyze(&mut tx, &request.object, claim.created).await?;
            tx.commit().await?;
        }
        return Ok(Worked::All);
    }
    let done = run_batch(app, claim, &request, &session.header, &rows).await;
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
async fn forget_piece(app: &App, claim: &Claim) -> Result<bool, Stop> {
    let mut tx = TenantTx::begin_job(&app.env.db, claim.tenant()).await?;
    let Some(held) = claim.hold(&mut tx, batch::STATEMENT).await? else { return Err(Stop::Over) };
    let more = overlay::forget(&mut tx, claim.id, FORGOTTEN).await?;
    if more {
        held.checkpoint(&mut tx, Tally::default(), app.env.clock.now_micros()).await?;
    }
    tx.commit().await?;
    Ok(more)
}

/// Opens the file of an import behind the rows that are done.
async fn open(app: &App, claim: &Claim, request: &CreateImportRequest) -> Result<Session, Stop> {
    let tenant = claim.tenant();
    let mut tx = TenantTx::begin_job(&app.env.db, tenant).await?;
    let upload = Uuid::try_parse(&request.upload_id).unwrap_or_default();
    let content = uploads::store::content(&mut tx, upload, claim.principal_id).await?;
    tx.commit().await?;
    let (sha256, content_type) = content.ok_or_else(|| Stop::failed(Reason::UPLOAD_GONE))?;
    let (blobs, readers) = (app.blobs.clone(), app.readers.clone());
    let source = Source { blobs, tenant: tenant.id(), sha256, content_type, readers, patience: IMPORT_WAITS };
    let mapped: Vec<&str> = request.mapping.iter().map(|entry| entry.column.trim()).collect();
    let said = Said::from(request);
    let form = claim.renewed(&app.operations, source.form(said, &mapped)).await??;
    let mut tx = TenantTx::begin_job(&app.env.db, tenant).await?;
    store::set_detected(&mut tx, claim.id, said.taken(&form).encode_to_vec()).await?;
    tx.commit().await?;
    let (names, rows) = claim.renewed(&app.operations, source.survey(form)).await??;
    let header = Header { line: form.header_line, names };
    // A mapping that does not fit fails a file without rows, too.
    claim.renewed(&app.operations, prepare(app, claim, request, &header)).await??;
    let mut tx = TenantTx::begin_job(&app.env.db, tenant).await?;
    claim.set_total(&mut tx, rows as i64).await?;
    tx.commit().await?;
    Ok(Session::new(claim, header, source.rows(form, claim.done as u64)))
}

/// Works one batch by the permissions and definitions of now: a permission taken away meanwhile ends the import, and a batch
/// during which the definitions change is worked again by the new ones.
async fn run_batch(
    app: &App,
    claim: &Claim,
    request: &CreateImportRequest,
    header: &Header,
    rows: &[Row],
) -> Result<Outcome, Stop> {
    let mut tries = Tries::default();
    loop {
        let (cx, plan) = claim.renewed(&app.operations, prepare(app, claim, request, header)).await??;
        match batch::run(app, &cx, claim, &plan, (header, rows)).await {
            Err(error) if tries.again(&error) => {
                let object = plan.importable.object;
                claim.renewed(&app.operations, fence::renew(&app.env, &cx, object)).await??;
            }
            done => return Ok(done?),
        }
    }
}

/// Who asked for it, and the plan, by the permissions and definitions of now.
async fn prepare(
    app: &App,
    claim: &Claim,
    request: &CreateImportRequest,
    header: &Header,
) -> Result<(Context, Plan), Stop> {
    let cx = app.acting.context(claim).await?;
    let plan = plan::plan(app, &cx, request, header).await?;
    Ok((cx, plan))
}
