//! The worker: claims an import, works a batch of it and gives the turn back, to the tenant that has waited longest. It goes on
//! where a dead one stopped.

use record::fence::{self, Tries};
use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::{Call, Context, VerifiedTenant};
use db::{DbError, TenantTx};
use error::{Code, Error, Reason};
use prost::Message;
use proto::records::v1::CreateImportRequest;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use super::batch::{self, Outcome};
use super::book;
use super::plan::{self, Plan, PlanError};
use super::session::{Session, Sessions};
use super::source::Source;
use super::store::{self, Claimed, Tally};
use super::table::{Row, TableError};
use crate::App;
use crate::contacts::CONTACT;
use crate::operations::store::RowError;
use crate::uploads;

/// How often the table is looked at when nothing wakes the worker.
const POLL: Duration = Duration::from_millis(500);
/// How often a claim (5 s) is renewed while something else than a batch takes its time.
const RENEW: Duration = Duration::from_millis(1_500);
/// Claims without a batch done after which an import is given up: so often it was taken up again, every few seconds.
const MAX_CLAIMS: i64 = 2_000;
/// Rows of a batch while callers of other tenants come in numbers, and the longest rest after it: what it took, so that half of the time is
/// theirs alone.
const ROWS_BESIDE: usize = 64;
const LONGEST_REST: Duration = Duration::from_secs(2);
/// After so many new contacts the planner's statistics are refreshed.
const ANALYZE_AFTER: i64 = 1_000;
/// Notes of a dry run that are removed in one transaction.
const FORGOTTEN: i64 = 5_000;
/// Pieces of them that are removed at the end of a dry run that failed or was cancelled: others wait for their turn.
const PIECES: usize = 4;

/// Why an import stopped before its end.
#[derive(Debug, thiserror::Error)]
enum Stop {
    /// It has failed for good, for this reason; at this line of the file, where it is known.
    #[error("{reason}")]
    Failed { reason: Reason, line: Option<u64> },
    /// It is another's, or cancelled: nothing to write.
    #[error("the operation is no longer ours")]
    Over,
    /// Something does not answer: the claim will lapse and the import go on.
    #[error("to be tried again")]
    Later(#[source] Error),
}

impl Stop {
    fn failed(reason: Reason) -> Self {
        Self::Failed { reason, line: None }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error.code() {
            Code::PermissionDenied => Self::failed(Reason::PERMISSION_DENIED),
            // Whoever asked for it was disabled. Anything else that is wrong with a token is not theirs.
            Code::Unauthenticated if error.reason() == Reason::SESSION_REVOKED => {
                Self::failed(Reason::PERMISSION_DENIED)
            }
            _ => Self::Later(error),
        }
    }
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        Self::Later(error.into())
    }
}

impl From<PlanError> for Stop {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Other(error) => error.into(),
            PlanError::Denied => Self::failed(Reason::PERMISSION_DENIED),
            PlanError::Mapping => Self::failed(Reason::MAPPING_INVALID),
            PlanError::Column => Self::failed(Reason::COLUMN_MISSING),
        }
    }
}

impl From<TableError> for Stop {
    fn from(error: TableError) -> Self {
        match error {
            // No later try will find it.
            TableError::Io(cause) if cause.kind() == io::ErrorKind::NotFound => {
                Self::failed(Reason::UPLOAD_GONE)
            }
            TableError::Io(cause) => Self::Later(Error::internal(cause)),
            TableError::Empty => Self::failed(Reason::FILE_EMPTY),
            TableError::RepeatedColumn(_) => Self::failed(Reason::COLUMN_REPEATED),
            TableError::TooWide => Self::failed(Reason::TOO_MANY_COLUMNS),
            TableError::TooManyRows => Self::failed(Reason::TOO_MANY_ROWS),
            TableError::RowTooLong(line) => Self::Failed { reason: Reason::ROW_TOO_LONG, line: Some(line) },
            TableError::NotText => Self::failed(Reason::FILE_NOT_TEXT),
        }
    }
}

/// Works imports until the process stops.
pub(crate) async fn run(app: Arc<App>, shutdown: CancellationToken) {
    let (worker, mut sessions) = (app.env.clock.new_uuid(), Sessions::default());
    loop {
        sessions.close_unused();
        let begun = Instant::now();
        let worked = tokio::select! {
            () = shutdown.cancelled() => return,
            worked = next(&app, worker, &mut sessions) => worked,
        };
        let pause = match worked {
            Ok(Some(tenant)) if app.env.db.others_come(tenant) => begun.elapsed().min(LONGEST_REST),
            Ok(Some(_)) => continue,
            Ok(None) => {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = app.imports.notified() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
                continue;
            }
            Err(error) => {
                tracing::warn!(error = %error, "imports cannot be claimed");
                POLL
            }
        };
        if shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// Claims an import and works one batch of it; gives its tenant, or `None` when there is none.
async fn next(app: &App, worker: Uuid, sessions: &mut Sessions) -> Result<Option<VerifiedTenant>, DbError> {
    let mut tx = app.worker.begin().await?;
    let claimed = store::claim(&mut tx, worker, app.env.clock.now_micros()).await?;
    tx.commit().await?;
    let Some(claimed) = claimed else { return Ok(None) };
    let tenant = claimed.tenant();
    let span = tracing::info_span!("records.imports.work", tenant_id = %claimed.tenant_id, operation_id = %claimed.id);
    async {
        let ended = match Box::pin(work(app, worker, sessions, &claimed)).await {
            // The batch gave the turn back.
            Ok(Worked::Batch) => return Ok(Some(tenant)),
            Ok(Worked::All) => Some(("succeeded", None, None)),
            Err(Stop::Failed { reason, line }) => Some(("failed", Some(reason), line)),
            Err(Stop::Over) => None,
            Err(Stop::Later(error)) => {
                let cause = error.source().map(tracing::field::display);
                tracing::warn!(%error, cause, "an import waits for its next try");
                None
            }
        };
        if let Some((state, failure, line)) = ended {
            finish(app, &claimed, state, failure, line).await?;
        }
        forget_dry_run(app, &claimed).await?;
        Ok(Some(tenant))
    }
    .instrument(span)
    .await
}

/// Ends the operation. The line on which it failed is told as the error of that row.
async fn finish(
    app: &App,
    claimed: &Claimed,
    state: &str,
    failure: Option<Reason>,
    line: Option<u64>,
) -> Result<(), DbError> {
    let tenant = claimed.tenant();
    let mut tx = TenantTx::begin_job(&app.env.db, tenant).await?;
    let word = failure.map(Reason::as_str);
    let finished = store::finish(&mut tx, claimed, state, word, app.env.clock.now_micros()).await?;
    if let (true, Some(reason), Some(line)) = (finished, failure, line) {
        let (reason, detail) = (reason.as_str().to_owned(), reason.title().to_owned());
        let error = RowError { line: line as i64, number: 1, column_name: String::new(), reason, detail };
        store::add_errors(&mut tx, claimed.id, &[error]).await?;
    }
    tx.commit().await
}

/// Removes the first pieces of what a dry run has noted that did not come to its end. What stays goes with the operation.
async fn forget_dry_run(app: &App, claimed: &Claimed) -> Result<(), DbError> {
    let tenant = claimed.tenant();
    for _ in 0..PIECES {
        let mut tx = TenantTx::begin_job(&app.env.db, tenant).await?;
        let more = store::is_over(&mut tx, claimed.id).await?
            && book::forget(&mut tx, claimed.id, FORGOTTEN).await?;
        tx.commit().await?;
        if !more {
            break;
        }
    }
    Ok(())
}

/// What was done of an import.
enum Worked {
    /// A batch; there may be more.
    Batch,
    /// All of it.
    All,
}

async fn work(app: &App, worker: Uuid, sessions: &mut Sessions, claimed: &Claimed) -> Result<Worked, Stop> {
    if claimed.attempts > MAX_CLAIMS {
        return Err(Stop::failed(Reason::TOO_MANY_ATTEMPTS));
    }
    let request = CreateImportRequest::decode(claimed.request.as_slice())
        .map_err(|_| Stop::failed(Reason::REQUEST_UNREADABLE))?;
    let mut session = match sessions.take(claimed) {
        Some(session) => session,
        None => open(app, claimed, &request).await?,
    };
    let tenant = claimed.tenant();
    let most = if app.env.db.others_come(tenant) { ROWS_BESIDE } else { usize::MAX };
    let rows = held(app, claimed, session.rows(most)).await??;
    if rows.is_empty() {
        if request.dry_run && forget_piece(app, worker, claimed).await? {
            sessions.put(session);
            return Ok(Worked::Batch);
        }
        if claimed.created >= ANALYZE_AFTER && !request.dry_run {
            let mut tx = app.worker.begin().await?;
            store::analyze(&mut tx, claimed.created).await?;
            tx.commit().await?;
        }
        return Ok(Worked::All);
    }
    let done = run_batch(app, (claimed, worker), &request, &session.header, &rows).await;
    match &done {
        Ok(Outcome::Done(tally)) => session.advance(tally.done),
        Ok(Outcome::Cancelled | Outcome::Lost) => return Err(Stop::Over),
        Err(Stop::Later(_)) => session.shrink(),
        // It has ended, and its file is closed with it.
        Err(Stop::Failed { .. } | Stop::Over) => return done.map(|_| Worked::Batch),
    }
    sessions.put(session);
    done.map(|_| Worked::Batch)
}

/// Removes a piece of what a dry run has noted and gives the turn back: there may be as much of it as the file has rows. `false`
/// when there is no more.
async fn forget_piece(app: &App, worker: Uuid, claimed: &Claimed) -> Result<bool, Stop> {
    let tenant = claimed.tenant();
    let mut tx = TenantTx::begin_job(&app.env.db, tenant).await?;
    if store::hold(&mut tx, claimed, batch::STATEMENT).await?.is_none() {
        return Err(Stop::Over);
    }
    let more = book::forget(&mut tx, claimed.id, FORGOTTEN).await?;
    if more {
        store::checkpoint(&mut tx, claimed, worker, Tally::default(), app.env.clock.now_micros()).await?;
    }
    tx.commit().await?;
    Ok(more)
}

/// Opens the file of an import behind the rows that are done.
async fn open(app: &App, claimed: &Claimed, request: &CreateImportRequest) -> Result<Session, Stop> {
    let tenant = claimed.tenant();
    let mut tx = TenantTx::begin_job(&app.env.db, tenant).await?;
    let upload = Uuid::try_parse(&request.upload_id).unwrap_or_default();
    let sha256 = uploads::store::sha256(&mut tx, upload, claimed.principal_id).await?;
    tx.commit().await?;
    let sha256 = sha256.ok_or_else(|| Stop::failed(Reason::UPLOAD_GONE))?;
    let source = Source { blobs: app.blobs.clone(), tenant: tenant.id(), sha256 };
    let (format, header) = held(app, claimed, source.examine()).await??;
    let mut tx = TenantTx::begin_job(&app.env.db, tenant).await?;
    store::set_total(&mut tx, claimed, format.rows as i64).await?;
    tx.commit().await?;
    Ok(Session::new(claimed, header, source.rows(format, claimed.done as u64)))
}

/// Works one batch by the permissions and definitions of now: a permission taken away meanwhile ends the import, and a batch
/// during which the definitions change is worked again by the new ones.
async fn run_batch(
    app: &App,
    (claimed, worker): (&Claimed, Uuid),
    request: &CreateImportRequest,
    header: &[String],
    rows: &[Row],
) -> Result<Outcome, Stop> {
    let mut tries = Tries::default();
    loop {
        let (cx, plan) = held(app, claimed, prepare(app, claimed, request, header)).await??;
        match batch::run(app, &cx, (claimed, worker), &plan, rows).await {
            Err(error) if tries.again(&error) => {
                held(app, claimed, fence::renew(&app.env, &cx, &CONTACT)).await??;
            }
            done => return Ok(done?),
        }
    }
}

/// Does `work` with the claim renewed meanwhile: else a file that takes longer to read than a claim holds would go from
/// worker to worker and never come to its first batch.
async fn held<T>(app: &App, claimed: &Claimed, work: impl Future<Output = T>) -> Result<T, Stop> {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok(done),
            () = tokio::time::sleep(RENEW) => {}
        }
        let tenant = claimed.tenant();
        let mut tx = TenantTx::begin_job(&app.env.db, tenant).await?;
        let ours = store::renew(&mut tx, claimed, app.env.clock.now_micros()).await?;
        tx.commit().await?;
        if !ours {
            return Err(Stop::Over);
        }
    }
}

/// Who asked for it, and the plan, by the permissions and definitions of now.
async fn prepare(
    app: &App,
    claimed: &Claimed,
    request: &CreateImportRequest,
    header: &[String],
) -> Result<(Context, Plan), Stop> {
    let cx = context(app, claimed).await?;
    let plan = plan::plan(app, &cx, request, header).await?;
    Ok((cx, plan))
}

/// The context of the principal who asked for the import, by its permissions of now.
async fn context(app: &App, claimed: &Claimed) -> Result<Context, Error> {
    let token = (app.service_token)(claimed.tenant_id.into(), claimed.principal_id).await?;
    let call = Call {
        request_id: claimed.id.to_string(),
        idempotency_key: None,
        if_match: None,
        user_agent: None,
        traceparent: None,
    };
    app.gate.open(call, token).await
}
