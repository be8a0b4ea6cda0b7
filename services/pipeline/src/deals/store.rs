//! SQL of where deals have been.

use db::{DbError, TenantTx, WorkerTx};
use field_types::moment::datetime_text;
use query::RowScope;
use serde::{Serialize, Serializer};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row};
use time::OffsetDateTime;
use uuid::Uuid;

/// A stay of a deal in a stage, as it begins.
#[derive(Debug, Serialize)]
pub(super) struct Entry<'a> {
    pub(super) deal_id: Uuid,
    pub(super) pipeline_id: Uuid,
    pub(super) pipeline_version: i32,
    pub(super) stage_id: Uuid,
    #[serde(serialize_with = "moment")]
    pub(super) entered_at: OffsetDateTime,
    /// What the deal is there, and since when it is won or lost; an instant as text.
    pub(super) status: Option<&'a str>,
    pub(super) closed_at: Option<&'a str>,
    pub(super) actor_kind: &'a str,
    pub(super) actor_id: Uuid,
    pub(super) reason: Option<&'a str>,
    pub(super) source: &'static str,
}

fn moment<S: Serializer>(at: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&datetime_text(*at))
}

/// Ends the stays of deals where they were, and begins these. The rows of the deals are locked, or new; each is there once.
pub(super) async fn begin_stays(tx: &mut TenantTx, entries: &[Entry<'_>]) -> Result<(), DbError> {
    sqlx::query(
        "WITH new AS (
             SELECT * FROM jsonb_to_recordset($2) AS n (deal_id uuid, pipeline_id uuid, pipeline_version integer, stage_id uuid,
                 entered_at timestamptz, status text, closed_at timestamptz, actor_kind text, actor_id uuid, reason text, source text)),
         ended AS (
             UPDATE pipeline.stage_entry AS e SET
                 left_at = coalesce(e.left_at, greatest(new.entered_at, e.entered_at)),
                 left_to = coalesce(e.left_to, new.stage_id),
                 again_at = CASE WHEN e.stage_id = new.stage_id THEN new.entered_at END
             FROM new
             WHERE e.tenant_id = $1 AND e.deal_id = new.deal_id
               AND (e.left_at IS NULL OR (e.stage_id = new.stage_id AND e.again_at IS NULL))
             RETURNING e.deal_id, e.sequence),
         last AS (SELECT deal_id, max(sequence) AS sequence FROM ended GROUP BY deal_id)
         INSERT INTO pipeline.stage_entry (tenant_id, deal_id, sequence, pipeline_id, pipeline_version, stage_id, entered_at,
             status, closed_at, created_at, created_here, actor_kind, actor_id, reason, source)
         SELECT $1, new.deal_id, coalesce(last.sequence, 0) + 1, new.pipeline_id, new.pipeline_version, new.stage_id,
             new.entered_at, new.status, new.closed_at, coalesce(first.entered_at, new.entered_at),
             coalesce(first.pipeline_id, new.pipeline_id) = new.pipeline_id,
             new.actor_kind, new.actor_id, new.reason, new.source
         FROM new LEFT JOIN last ON last.deal_id = new.deal_id
         LEFT JOIN pipeline.stage_entry AS first
             ON first.tenant_id = $1 AND first.deal_id = new.deal_id AND first.sequence = 1",
    )
    .bind(tx.tenant_id())
    .bind(Json(entries))
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A stay as it is shown.
#[derive(Debug)]
pub(super) struct Stay {
    pub(super) sequence: i32,
    pub(super) pipeline_id: Uuid,
    pub(super) pipeline_version: i32,
    pub(super) stage_id: Uuid,
    pub(super) key: String,
    /// As the stage was called in that version.
    pub(super) name: Option<String>,
    pub(super) entered_at: OffsetDateTime,
    pub(super) left_at: Option<OffsetDateTime>,
    pub(super) actor_kind: String,
    pub(super) actor_id: Uuid,
    pub(super) reason: Option<String>,
    pub(super) source: String,
}

impl FromRow<'_, PgRow> for Stay {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            sequence: row.try_get("sequence")?,
            pipeline_id: row.try_get("pipeline_id")?,
            pipeline_version: row.try_get("pipeline_version")?,
            stage_id: row.try_get("stage_id")?,
            key: row.try_get("key")?,
            name: row.try_get("name")?,
            entered_at: row.try_get("entered_at")?,
            left_at: row.try_get("left_at")?,
            actor_kind: row.try_get("actor_kind")?,
            actor_id: row.try_get("actor_id")?,
            reason: row.try_get("reason")?,
            source: row.try_get("source")?,
        })
    }
}

/// The last stays of a deal, the oldest first.
pub(super) async fn stays(tx: &mut TenantTx, deal: Uuid, limit: i64) -> Result<Vec<Stay>, DbError> {
    let query = sqlx::query_as(
        "SELECT * FROM (SELECT e.sequence, e.pipeline_id, e.pipeline_version, e.stage_id, s.key,
             (SELECT stage ->> 'name' FROM jsonb_array_elements(v.document -> 'stages') AS stage
              WHERE stage ->> 'key' = s.key) AS name,
             e.entered_at, e.left_at, e.actor_kind, e.actor_id, e.reason, e.source
         FROM pipeline.stage_entry AS e
         JOIN pipeline.stage AS s ON s.tenant_id = $1 AND s.id = e.stage_id
         JOIN pipeline.pipeline_version AS v
             ON v.tenant_id = $1 AND v.pipeline_id = e.pipeline_id AND v.number = e.pipeline_version
         WHERE e.tenant_id = $1 AND e.deal_id = $2 ORDER BY e.sequence DESC LIMIT $3) AS last ORDER BY sequence",
    );
    Ok(query.bind(tx.tenant_id()).bind(deal).bind(limit).fetch_all(tx.conn()).await?)
}

/// A publication whose deals are to be moved.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) tenant_id: Uuid,
    pub(super) pipeline_id: Uuid,
    pub(super) number: i32,
}

/// The publications of all tenants that are due, the longest first.
pub(super) async fn due(tx: &mut WorkerTx, now: OffsetDateTime, limit: i64) -> Result<Vec<Due>, DbError> {
    let query = sqlx::query_as(
        "SELECT tenant_id, pipeline_id, number FROM pipeline.stage_mapping WHERE due_at <= $1 ORDER BY due_at LIMIT $2",
    );
    let rows: Vec<(Uuid, Uuid, i32)> = query.bind(now).bind(limit).fetch_all(tx.conn()).await?;
    Ok(rows
        .into_iter()
        .map(|(tenant_id, pipeline_id, number)| Due { tenant_id, pipeline_id, number })
        .collect())
}

/// What is to be known of a publication whose deals are moved.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) effective_at: OffsetDateTime,
    pub(super) published_by: Uuid,
    pub(super) actor_kind: String,
    /// This is the second look.
    pub(super) is_last: bool,
}

/// Takes a publication that is due, unless another does.
pub(super) async fn claim(
    tx: &mut TenantTx,
    pipeline: Uuid,
    number: i32,
    now: OffsetDateTime,
) -> Result<Option<Work>, DbError> {
    let query = sqlx::query_as(
        "SELECT v.effective_at, v.published_by, m.actor_kind, m.is_last FROM pipeline.stage_mapping AS m
         JOIN pipeline.pipeline_version AS v
             ON v.tenant_id = $1 AND v.pipeline_id = m.pipeline_id AND v.number = m.number
         WHERE m.tenant_id = $1 AND m.pipeline_id = $2 AND m.number = $3 AND m.due_at <= $4
         FOR UPDATE OF m SKIP LOCKED",
    );
    let query = query.bind(tx.tenant_id()).bind(pipeline).bind(number).bind(now);
    let row: Option<(OffsetDateTime, Uuid, String, bool)> = query.fetch_optional(tx.conn()).await?;
    Ok(row.map(|(effective_at, published_by, actor_kind, is_last)| Work {
        effective_at,
        published_by,
        actor_kind,
        is_last,
    }))
}

/// Deals that stand in stages, those in the trash included.
pub(super) async fn standing(tx: &mut TenantTx, stages: &[Uuid], limit: i64) -> Result<Vec<Uuid>, DbError> {
    let query = sqlx::query_scalar(
        "SELECT d.id FROM unnest($2::uuid[]) AS left_stage (id) CROSS JOIN LATERAL (
             SELECT id FROM pipeline.deals WHERE tenant_id = $1 AND stage_id = left_stage.id LIMIT $3) AS d
         LIMIT $3",
    );
    Ok(query.bind(tx.tenant_id()).bind(stages).bind(limit).fetch_all(tx.conn()).await?)
}

/// Notes that deals are to be moved once a version is in force.
pub(crate) async fn schedule(
    tx: &mut TenantTx,
    pipeline: Uuid,
    number: i32,
    due_at: OffsetDateTime,
    actor_kind: &'static str,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO pipeline.stage_mapping (tenant_id, pipeline_id, number, due_at, is_last, actor_kind)
         VALUES ($1, $2, $3, $4, false, $5)",
    )
    .bind(tx.tenant_id())
    .bind(pipeline)
    .bind(number)
    .bind(due_at)
    .bind(actor_kind)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Puts the second look off until a moment.
pub(super) async fn look_again(
    tx: &mut TenantTx,
    pipeline: Uuid,
    number: i32,
    due_at: OffsetDateTime,
) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE pipeline.stage_mapping SET due_at = $4, is_last = true
         WHERE tenant_id = $1 AND pipeline_id = $2 AND number = $3",
    );
    query.bind(tx.tenant_id()).bind(pipeline).bind(number).bind(due_at).execute(tx.conn()).await?;
    Ok(())
}

/// Looks at a publication again at a moment.
pub(super) async fn put_off(
    tx: &mut TenantTx,
    pipeline: Uuid,
    number: i32,
    due_at: OffsetDateTime,
) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE pipeline.stage_mapping SET due_at = $4
         WHERE tenant_id = $1 AND pipeline_id = $2 AND number = $3",
    );
    query.bind(tx.tenant_id()).bind(pipeline).bind(number).bind(due_at).execute(tx.conn()).await?;
    Ok(())
}

/// Nothing is left to do of a publication.
pub(super) async fn complete(tx: &mut TenantTx, pipeline: Uuid, number: i32) -> Result<(), DbError> {
    let query = sqlx::query(
        "DELETE FROM pipeline.stage_mapping WHERE tenant_id = $1 AND pipeline_id = $2 AND number = $3",
    );
    query.bind(tx.tenant_id()).bind(pipeline).bind(number).execute(tx.conn()).await?;
    Ok(())
}

/// A card of a stage.
#[derive(Clone, Debug)]
pub(super) struct Card {
    pub(super) id: Uuid,
    pub(super) rank: String,
}

/// On which side of a card.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Before,
    Behind,
}

/// A live card of a pipeline's stage within a scope.
pub(super) async fn card(
    tx: &mut TenantTx,
    (pipeline, stage): (Uuid, Uuid),
    id: Uuid,
    scope: &RowScope,
) -> Result<Option<Card>, DbError> {
    let query = sqlx::query_as(
        "SELECT t.id, t.rank FROM pipeline.deals AS t
         WHERE t.tenant_id = $1 AND t.id = $4 AND t.pipeline_id = $2 AND t.stage_id = $3 AND t.deleted_at IS NULL
           AND ($5 OR t.owner_id = ANY($6) OR t.team_id = ANY($7))",
    );
    let query = query.bind(tx.tenant_id()).bind(pipeline).bind(stage).bind(id);
    let query = query.bind(scope.all).bind(&scope.owners).bind(&scope.teams);
    let row: Option<(Uuid, String)> = query.fetch_optional(tx.conn()).await?;
    Ok(row.map(|(id, rank)| Card { id, rank }))
}

/// The cards next to one, the nearest first, without the deal that is being placed.
pub(super) async fn neighbours(
    tx: &mut TenantTx,
    (pipeline, stage): (Uuid, Uuid),
    card: &Card,
    side: Side,
    without: Uuid,
    limit: i64,
) -> Result<Vec<Card>, DbError> {
    let query = match side {
        Side::Before => sqlx::query_as(
            "SELECT id, rank FROM pipeline.deals
             WHERE tenant_id = $1 AND pipeline_id = $2 AND stage_id = $3 AND deleted_at IS NULL
               AND (rank, id) < ($4, $5) AND id <> $6 ORDER BY rank DESC, id DESC LIMIT $7",
        ),
        Side::Behind => sqlx::query_as(
            "SELECT id, rank FROM pipeline.deals
             WHERE tenant_id = $1 AND pipeline_id = $2 AND stage_id = $3 AND deleted_at IS NULL
               AND (rank, id) > ($4, $5) AND id <> $6 ORDER BY rank, id LIMIT $7",
        ),
    };
    let query = query.bind(tx.tenant_id()).bind(pipeline).bind(stage).bind(&card.rank).bind(card.id);
    let rows: Vec<(Uuid, String)> = query.bind(without).bind(limit).fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|(id, rank)| Card { id, rank }).collect())
}

/// Gives cards these keys, unless somebody else holds one of them: whoever waited for a card while holding another could be waited for.
pub(super) async fn set_ranks(tx: &mut TenantTx, ids: &[Uuid], ranks: &[String]) -> Result<(), DbError> {
    sqlx::query(
        "WITH held AS MATERIALIZED (
             SELECT id FROM pipeline.deals WHERE tenant_id = $1 AND id = ANY($2) FOR NO KEY UPDATE SKIP LOCKED)
         UPDATE pipeline.deals AS t SET rank = new.rank FROM unnest($2::uuid[], $3::text[]) AS new (id, rank)
         WHERE t.tenant_id = $1 AND t.id = new.id AND (SELECT count(*) FROM held) = cardinality($2)",
    )
    .bind(tx.tenant_id())
    .bind(ids)
    .bind(ranks)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Per id of a file in another system, the live deal that has it.
pub(crate) const IMPORTED_EXTERNAL_IDS: &str = "SELECT e.system, e.external_id, e.record_id,
         ($4 OR t.owner_id = ANY($5) OR t.team_id = ANY($6)
          OR (t.created_by = $7 AND t.created_at >= $8 AND t.source = 'import')) IS TRUE
     FROM unnest($2::text[], $3::text[]) AS wanted (system, id)
     JOIN pipeline.external_id AS e ON e.tenant_id = $1 AND e.object = 'deal'
         AND e.system = wanted.system AND e.external_id = wanted.id
     JOIN pipeline.deals AS t ON t.tenant_id = $1 AND t.id = e.record_id
     WHERE e.live";
