//! The worker: claims an operation, works a batch of it and gives the turn back, to the tenant that has waited longest. It goes
//! on where a dead one stopped.

use std::time::{Duration, Instant};

use auth::VerifiedTenant;
use db::DbError;
use error::Reason;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::metrics::Metrics;
use crate::{Claim, Env, Kept, Stop, backlog};

/// How often the table is looked at when nothing wakes the worker.
const POLL: Duration = Duration::from_millis(500);
/// The longest rest after a batch while callers of other tenants come in numbers. A rest is as long as the batch took, so that
/// half of the time is theirs alone.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// How often the worker says that there are operations that nobody in this service can do.
const REMIND: Duration = Duration::from_secs(600);
/// So many of them are counted.
const STRANGERS: i64 = 1_000;

/// What was done of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worked {
    /// A batch, whose checkpoint gave the turn back; there may be more.
    Batch,
    /// All of it.
    All,
}

/// The work of a service's operations of some kinds.
pub trait Job: Send {
    /// The kinds that it can do: others are left to other jobs.
    fn kinds(&self) -> &'static [&'static str];

    /// Works one batch.
    fn work(&mut self, claim: &Claim) -> impl Future<Output = Result<Worked, Stop>> + Send;

    /// What the service keeps for its operations.
    fn kept(&self) -> impl Kept;

    /// Called before each look for work: gives up what was held open for operations that went on elsewhere.
    fn tidy(&mut self) {}
}

/// Works operations until `shutdown` and measures what waits; `wake` says that one was queued.
pub async fn run<J: Job>(env: &Env, wake: &Notify, job: J, shutdown: CancellationToken) {
    let kinds = job.kinds();
    tokio::join!(work_all(env, wake, job, &shutdown), backlog::watch(env, kinds, &shutdown));
}

async fn work_all<J: Job>(env: &Env, wake: &Notify, mut job: J, shutdown: &CancellationToken) {
    let worker = env.clock.new_uuid();
    let metrics = Metrics::new(env.role.name());
    let mut reminded: Option<Instant> = None;
    loop {
        job.tidy();
        if reminded.is_none_or(|at| at.elapsed() >= REMIND) {
            reminded = Some(Instant::now());
            if shutdown.run_until_cancelled(remind(env)).await.is_none() {
                return;
            }
        }
        let begun = Instant::now();
        let worked = tokio::select! {
            () = shutdown.cancelled() => return,
            worked = turn(env, worker, &metrics, &mut job) => worked,
        };
        let pause = match worked {
            Ok(Some(tenant)) if env.db.others_come(tenant) => begun.elapsed().min(LONGEST_REST),
            Ok(Some(_)) => continue,
            Ok(None) => {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = wake.notified() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
                continue;
            }
            Err(error) => {
                tracing::warn!(error = %error::chain(&error), "operations cannot be claimed");
                POLL
            }
        };
        if shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// Tells of operations that wait for a version of this service that knows their kind.
async fn remind(env: &Env) {
    match Claim::strangers(env, STRANGERS).await {
        Ok(strangers) => {
            for (kind, operations) in strangers {
                tracing::warn!(
                    role = env.role.name(),
                    kind,
                    operations,
                    "nobody here can do operations of this kind; left alone"
                );
            }
        }
        Err(error) => {
            tracing::warn!(error = %error::chain(&error), "operations of unknown kinds cannot be counted");
        }
    }
}

/// Claims an operation and works one batch of it; gives its tenant, or `None` when there is none.
async fn turn<J: Job>(
    env: &Env,
    worker: Uuid,
    metrics: &Metrics,
    job: &mut J,
) -> Result<Option<VerifiedTenant>, DbError> {
    let Some(claim) = Claim::next(env, worker, job.kinds()).await? else { return Ok(None) };
    let tenant = claim.tenant();
    let (tenant_id, operation_id, kind) = (tenant.id(), claim.id, &claim.kind);
    let span = tracing::info_span!("operations.work", %tenant_id, %operation_id, %kind);
    async {
        let began = Instant::now();
        let worked = Box::pin(work(job, &claim)).await;
        metrics.worked(&claim, began.elapsed(), &worked);
        match worked {
            // The batch gave the turn back.
            Ok(Worked::Batch) => return Ok(Some(tenant)),
            Ok(Worked::All) => claim.finish(env, Ok(())).await?,
            Err(Stop::Failed(failure)) => claim.finish(env, Err(failure)).await?,
            Err(Stop::Over) => {}
            Err(Stop::Later(error)) => {
                tracing::warn!(error = %error::chain(&error), "an operation waits for its next try");
            }
        }
        claim.forget(env, &job.kept()).await?;
        Ok(Some(tenant))
    }
    .instrument(span)
    .await
}

async fn work<J: Job>(job: &mut J, claim: &Claim) -> Result<Worked, Stop> {
    if claim.is_hopeless() {
        return Err(Stop::failed(Reason::TOO_MANY_ATTEMPTS));
    }
    job.work(claim).await
}
