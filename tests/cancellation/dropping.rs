//! A call dropped at its n-th point of waiting, and what is looked for afterwards.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context, Result};
use auth::VerifiedTenant;
use db::{Db, TenantTx};
use futures_util::future::try_join_all;
use prost::Message;
use sqlx::{AssertSqlSafe, PgConnection};
use tonic::Status;
use uuid::Uuid;

use crate::database::Database;
use crate::waiting;

/// A call that is ready to be made.
pub(super) type Call = Pin<Box<dyn Future<Output = Result<(), Status>> + Send>>;

/// More points than any call has.
const MOST_POINTS: usize = 300;
/// How long a call may take to come to rest.
const BOUND: Duration = Duration::from_secs(10);
/// Connections of [`Database::config`].
const CONNECTIONS: u128 = 8;

/// Who looks at the database between two calls.
pub(super) struct Watch {
    sql: PgConnection,
    db: Db,
    /// For each table of the schema: its name, its rows, and those written since the transaction `$1`. In no order: the
    /// server may read tables side by side.
    counts: String,
}

/// What a call changed, by table: rows more or less, and rows written.
type Effect = BTreeMap<String, (i64, i64)>;

/// What a call does ahead in a transaction of its own: rows that it writes in tables, new ones or not.
pub(super) type Step = &'static [(&'static str, i64)];

/// The first write of records of a tenant brings the definitions that it writes by into the fence, and has its records compared.
pub(super) const DEFINITIONS: Step = &[("definitions_fence", 1), ("derived_check", 1)];

impl Watch {
    /// `database` is nobody else's.
    #[allow(clippy::disallowed_methods, reason = "tables are named by the catalog")]
    pub(super) async fn new(database: &Database, db: &Db, schema: &str) -> Result<Self> {
        let mut sql = database.admin().await?;
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT relname::text FROM pg_class WHERE relnamespace = $1::regnamespace
             AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1",
        )
        .bind(schema)
        .fetch_all(&mut sql)
        .await?;
        let one = |table: &String| {
            format!(
                "SELECT '{table}', count(*), count(*) FILTER (WHERE xmin::text::bigint > $1) FROM {schema}.{table}"
            )
        };
        let counts = tables.iter().map(one).collect::<Vec<_>>().join(" UNION ALL ");
        Ok(Self { sql, db: db.clone(), counts })
    }

    /// Waits until no connection of a service is in a transaction or holds a lock.
    async fn rest(&mut self, what: &str) {
        let sql = tokio::sync::Mutex::new(&mut self.sql);
        waiting::outcome(BOUND, what, async || {
            let left: Vec<String> = sqlx::query_scalar(
                "SELECT format('%s: %s, %s locks: %s', a.application_name, a.state, count(l.pid), left(a.query, 60))
                 FROM pg_stat_activity a LEFT JOIN pg_locks l ON l.pid = a.pid
                 WHERE a.datname = current_database() AND a.application_name LIKE 'globcrm-%-app'
                 GROUP BY a.pid, a.application_name, a.state, a.query HAVING a.state <> 'idle' OR count(l.pid) > 0",
            )
            .fetch_all(&mut **sql.lock().await)
            .await
            .map_err(|e| e.to_string())?;
            if left.is_empty() { Ok(()) } else { Err(left.join("; ")) }
        })
        .await;
    }

    /// Uses all connections at once, each for another tenant. None is lost, and none is in somebody else's transaction.
    pub(super) async fn all_connections_are_good(&self) -> Result<()> {
        let begun = try_join_all((0..CONNECTIONS).map(|n| async move {
            let tenant = Uuid::from_u128(1 + n);
            let mut tx = TenantTx::begin(&self.db, VerifiedTenant::from_claim(tenant.into())).await?;
            let (of, read_only, level): (String, String, String) = sqlx::query_as(
                "SELECT current_setting('app.tenant'), current_setting('transaction_read_only'),
                        current_setting('transaction_isolation')",
            )
            .fetch_one(tx.conn())
            .await?;
            let wanted = (tenant.to_string(), "off".to_owned(), "read committed".to_owned());
            anyhow::ensure!((of, read_only, level) == wanted, "a connection in somebody else's transaction");
            Ok(tx)
        }))
        .await?;
        for tx in begun {
            tx.commit().await?;
        }
        Ok(())
    }

    async fn now(&mut self) -> Result<i64> {
        let text = "SELECT pg_current_xact_id()::text::bigint";
        Ok(sqlx::query_scalar(text).fetch_one(&mut self.sql).await?)
    }

    #[allow(clippy::disallowed_methods, reason = "made of the catalog's names")]
    async fn count(&mut self, since: i64) -> Result<Effect> {
        let text = AssertSqlSafe(self.counts.clone());
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(text).bind(since).fetch_all(&mut self.sql).await?;
        Ok(rows.into_iter().map(|(table, rows, written)| (table, (rows, written))).collect())
    }

    /// What was changed after `since`, when there was `before`.
    async fn effect(&mut self, since: i64, before: &Effect) -> Result<Effect> {
        let mut effect = self.count(since).await?;
        for (table, (rows, _)) in &mut effect {
            *rows -= before.get(table).map_or(0, |before| before.0);
        }
        effect.retain(|_, change| *change != (0, 0));
        Ok(effect)
    }
}

/// Drops the call at its first point of waiting, the next one at its second, and so on until one ends. Each leaves nothing,
/// all, or the first of `ahead` whole: what the call does in transactions of their own before the one that is its outcome.
///
/// `prepare` makes the call anew, with what it needs, for somebody new. The database is nobody else's and no job runs there,
/// so that what changes is the call's.
pub(super) async fn at_every_point(
    watch: &mut Watch,
    rpc: &str,
    ahead: &[Step],
    prepare: impl AsyncFn() -> Call,
) -> Result<()> {
    let mut effects = Vec::new();
    for points in 1..=MOST_POINTS {
        let call = prepare().await;
        watch.rest(&format!("{rpc} can begin")).await;
        let since = watch.now().await?;
        let before = watch.count(since).await?;
        let ended = first_points(call, points).await;
        watch.rest(&format!("{rpc}, dropped at point {points}, left something")).await;
        watch.all_connections_are_good().await.with_context(|| format!("{rpc} at point {points}"))?;
        let effect = watch.effect(since, &before).await?;
        match ended {
            Some(Ok(())) => {
                // Dropped later than its commit, it has left all.
                let halves: Vec<_> = effects
                    .iter()
                    .filter(|(_, left)| *left != effect && !is_step(left, ahead))
                    .map(|(point, left)| format!("at point {point} {left:?}"))
                    .collect();
                assert!(halves.is_empty(), "{rpc} leaves half of {effect:?}: {}", halves.join(", "));
                return Ok(());
            }
            Some(Err(status)) => panic!("{rpc} failed: {status:?}"),
            None => effects.push((points, effect)),
        }
    }
    panic!("{rpc} still waits after {MOST_POINTS} points")
}

/// Whether an effect is the first so many of `steps`, each whole, and nothing else.
fn is_step(effect: &Effect, steps: &[Step]) -> bool {
    (0..=steps.len()).any(|count| {
        let mut wanted: BTreeMap<&str, i64> = BTreeMap::new();
        for (table, rows) in steps[..count].iter().copied().flatten() {
            *wanted.entry(table).or_default() += rows;
        }
        effect.len() == wanted.len()
            && effect.iter().all(|(table, (more, written))| {
                wanted.get(table.as_str()) == Some(written) && (0..=*written).contains(more)
            })
    })
}

/// Asks as an executor does until the future waits for the n-th time, and drops it there; what it gave, if it ended.
async fn first_points(mut call: Call, points: usize) -> Option<Result<(), Status>> {
    let mut waited = 0;
    poll_fn(move |cx| match call.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => {
            waited += 1;
            if waited < points { Poll::Pending } else { Poll::Ready(None) }
        }
    })
    .await
}

/// The RPCs of a service, from the descriptors: a new one without its call fails.
pub(super) fn rpcs(service: &str) -> Vec<String> {
    let set = proto::descriptor::FileDescriptorSet::decode(proto::DESCRIPTORS).expect("descriptors");
    let services = set.file.iter().flat_map(|file| &file.service).filter(|s| s.name == service);
    let rpcs: Vec<String> = services.flat_map(|s| s.method.iter().map(|m| m.name.clone())).collect();
    assert!(!rpcs.is_empty(), "no service {service}");
    rpcs
}

/// A call made by a client whose server is in the same future: whoever drops the one drops the other.
macro_rules! call {
    ($client:expr, $method:ident, $request:expr) => {{
        let (mut client, request) = ($client.clone(), $request);
        Box::pin(async move { client.$method(request).await.map(drop) })
            as crate::cancellation::dropping::Call
    }};
}
pub(super) use call;

/// As [`call!`], of an answer that is a stream: to its end.
macro_rules! whole {
    ($client:expr, $method:ident, $request:expr) => {{
        let (mut client, request) = ($client.clone(), $request);
        Box::pin(async move {
            let mut answer = client.$method(request).await?.into_inner();
            while answer.message().await?.is_some() {}
            Ok(())
        }) as crate::cancellation::dropping::Call
    }};
}
pub(super) use whole;
