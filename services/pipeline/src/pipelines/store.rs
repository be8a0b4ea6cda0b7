//! All SQL of pipelines.

use std::collections::BTreeMap;

use db::{DbError, TenantTx};
use error::Error;
use query::RowScope;
use sqlx::types::Json;
use sqlx::{FromRow, Row, postgres::PgRow};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Pipeline, State, Version, Whole, no_version};
use crate::document::{Document, Stage};

macro_rules! select_pipeline {
    ($rest:literal) => {
        concat!(
            "SELECT id, version, name, is_default, state, draft, last_number, created_at, created_by, updated_at, updated_by
             FROM pipeline.pipeline WHERE tenant_id = $1 ",
            $rest
        )
    };
}

impl FromRow<'_, PgRow> for Pipeline {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let state: &str = row.try_get("state")?;
        let draft: Option<Json<Document>> = row.try_get("draft")?;
        Ok(Self {
            id: row.try_get("id")?,
            version: row.try_get("version")?,
            name: row.try_get("name")?,
            is_default: row.try_get("is_default")?,
            state: if state == State::Archived.as_str() { State::Archived } else { State::Active },
            draft: draft.map(|Json(draft)| draft),
            last_number: row.try_get("last_number")?,
            created_at: row.try_get("created_at")?,
            created_by: row.try_get("created_by")?,
            updated_at: row.try_get("updated_at")?,
            updated_by: row.try_get("updated_by")?,
        })
    }
}

impl FromRow<'_, PgRow> for Version {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let Json(document) = row.try_get("document")?;
        let Json(stage_mapping) = row.try_get("stage_mapping")?;
        Ok(Self {
            number: row.try_get("number")?,
            effective_at: row.try_get("effective_at")?,
            published_at: row.try_get("published_at")?,
            published_by: row.try_get("published_by")?,
            note: row.try_get("note")?,
            document,
            stage_mapping,
        })
    }
}

/// Locks the pipelines of the tenant for change.
pub(super) async fn lock(tx: &mut TenantTx) -> Result<(), DbError> {
    sqlx::query("SELECT 1 FROM pipeline.pipeline_head WHERE tenant_id = $1 FOR UPDATE")
        .bind(tx.tenant_id())
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Whether the tenant was given its first pipeline already.
pub(super) async fn has_begun(tx: &mut TenantTx) -> Result<bool, DbError> {
    let query = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pipeline.pipeline_head WHERE tenant_id = $1)");
    Ok(query.bind(tx.tenant_id()).fetch_one(tx.conn()).await?)
}

/// Notes that the tenant is given its first pipeline, and locks its pipelines; `false` if somebody did before.
pub(super) async fn begin(tx: &mut TenantTx, now: OffsetDateTime) -> Result<bool, DbError> {
    let done = sqlx::query(
        "INSERT INTO pipeline.pipeline_head (tenant_id, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    );
    Ok(done.bind(tx.tenant_id()).bind(now).execute(tx.conn()).await?.rows_affected() == 1)
}

pub(super) async fn find(tx: &mut TenantTx, id: Uuid) -> Result<Option<Pipeline>, DbError> {
    let query = sqlx::query_as(select_pipeline!("AND id = $2"));
    Ok(query.bind(tx.tenant_id()).bind(id).fetch_optional(tx.conn()).await?)
}

/// As [`find`], to change it: whoever holds it is waited for.
pub(super) async fn lock_one(tx: &mut TenantTx, id: Uuid) -> Result<Option<Pipeline>, DbError> {
    let query = sqlx::query_as(select_pipeline!("AND id = $2 FOR NO KEY UPDATE"));
    Ok(query.bind(tx.tenant_id()).bind(id).fetch_optional(tx.conn()).await?)
}

/// As [`find`], and nobody changes it until the transaction ends.
pub(super) async fn hold(tx: &mut TenantTx, id: Uuid) -> Result<Option<Pipeline>, DbError> {
    let query = sqlx::query_as(select_pipeline!("AND id = $2 FOR SHARE"));
    Ok(query.bind(tx.tenant_id()).bind(id).fetch_optional(tx.conn()).await?)
}

/// As [`default`], and nobody changes it until the transaction ends.
pub(super) async fn hold_default(tx: &mut TenantTx) -> Result<Option<Pipeline>, DbError> {
    let query = sqlx::query_as(select_pipeline!("AND is_default FOR SHARE"));
    Ok(query.bind(tx.tenant_id()).fetch_optional(tx.conn()).await?)
}

pub(super) async fn find_all(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Vec<Pipeline>, DbError> {
    let query = sqlx::query_as(select_pipeline!("AND id = ANY($2)"));
    Ok(query.bind(tx.tenant_id()).bind(ids).fetch_all(tx.conn()).await?)
}

/// How many open deals are in a pipeline, `most` at most.
pub(super) async fn open_deals(tx: &mut TenantTx, id: Uuid, most: i64) -> Result<i64, DbError> {
    let query = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT FROM pipeline.deals WHERE tenant_id = $1 AND pipeline_id = $2 AND status = 'open'
             AND deleted_at IS NULL LIMIT $3) AS open",
    );
    Ok(query.bind(tx.tenant_id()).bind(id).bind(most).fetch_one(tx.conn()).await?)
}

/// How many open deals within a scope stand in stages.
pub(super) async fn open_in_stages(
    tx: &mut TenantTx,
    stages: &[Uuid],
    scope: &RowScope,
) -> Result<BTreeMap<Uuid, i64>, DbError> {
    let query = sqlx::query_as(
        "SELECT t.stage_id, count(*) FROM pipeline.deals AS t
         WHERE t.tenant_id = $1 AND t.stage_id = ANY($2) AND t.status = 'open' AND t.deleted_at IS NULL
           AND ($3 OR t.owner_id = ANY($4) OR t.team_id = ANY($5))
         GROUP BY t.stage_id",
    );
    let query = query.bind(tx.tenant_id()).bind(stages);
    let query = query.bind(scope.all).bind(&scope.owners).bind(&scope.teams);
    let rows: Vec<(Uuid, i64)> = query.fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().collect())
}

/// How many open deals within a scope stand in a stage and have no value of a field.
pub(super) async fn open_without(
    tx: &mut TenantTx,
    stage: Uuid,
    field: &str,
    scope: &RowScope,
) -> Result<i64, DbError> {
    let query = sqlx::query_scalar(
        "SELECT count(*) FROM pipeline.deals AS t
         WHERE t.tenant_id = $1 AND t.stage_id = $2 AND t.status = 'open' AND t.deleted_at IS NULL
           AND coalesce(CASE WHEN starts_with($3, 'custom.') THEN t.custom -> substr($3, 8) ELSE to_jsonb(t) -> $3 END, 'null')
               IN ('null', '[]', '{}')
           AND ($4 OR t.owner_id = ANY($5) OR t.team_id = ANY($6))",
    );
    let query = query.bind(tx.tenant_id()).bind(stage).bind(field);
    let query = query.bind(scope.all).bind(&scope.owners).bind(&scope.teams);
    Ok(query.fetch_one(tx.conn()).await?)
}

/// The default one.
pub(super) async fn default(tx: &mut TenantTx) -> Result<Option<Pipeline>, DbError> {
    let query = sqlx::query_as(select_pipeline!("AND is_default"));
    Ok(query.bind(tx.tenant_id()).fetch_optional(tx.conn()).await?)
}

/// All pipelines, or those of a state: the default one first, then by name.
pub(super) async fn list(tx: &mut TenantTx, state: Option<State>) -> Result<Vec<Pipeline>, DbError> {
    let query = sqlx::query_as(select_pipeline!(
        "AND ($2::text IS NULL OR state = $2) ORDER BY is_default DESC, name_folded, id"
    ));
    Ok(query.bind(tx.tenant_id()).bind(state.map(State::as_str)).fetch_all(tx.conn()).await?)
}

pub(super) async fn count(tx: &mut TenantTx) -> Result<i64, DbError> {
    let query = sqlx::query_scalar("SELECT count(*) FROM pipeline.pipeline WHERE tenant_id = $1");
    Ok(query.bind(tx.tenant_id()).fetch_one(tx.conn()).await?)
}

/// What belongs to pipelines `p` at the moment `$2`. The first version is in force from the beginning, also for an instance whose clock is behind
/// that of the one that made it.
macro_rules! select_whole {
    ($pipeline:literal, $rest:literal) => {
        concat!(
            "SELECT p.id AS pipeline_id, ",
            $pipeline,
            "v.number, v.effective_at, v.published_at, v.published_by, v.note, v.document, v.stage_mapping,
                 n.number AS next_number, n.effective_at AS next_at,
                 (SELECT jsonb_object_agg(s.key, s.id) FROM pipeline.stage AS s
                  WHERE s.tenant_id = $1 AND s.pipeline_id = p.id) AS stage_ids
             FROM pipeline.pipeline AS p
             CROSS JOIN LATERAL (
                 SELECT * FROM pipeline.pipeline_version
                 WHERE tenant_id = $1 AND pipeline_id = p.id AND (effective_at <= $2 OR number = 1)
                 ORDER BY number DESC LIMIT 1) AS v
             LEFT JOIN LATERAL (
                 SELECT c.number, c.effective_at FROM pipeline.pipeline_version AS c
                 WHERE c.tenant_id = $1 AND c.pipeline_id = p.id AND c.effective_at > $2 AND c.number > 1
                   AND NOT EXISTS (SELECT FROM pipeline.pipeline_version AS later
                       WHERE later.tenant_id = $1 AND later.pipeline_id = p.id AND later.number > c.number
                         AND later.effective_at <= c.effective_at)
                 ORDER BY c.effective_at, c.number DESC LIMIT 1) AS n ON true
             WHERE p.tenant_id = $1 ",
            $rest
        )
    };
}

/// What is read of a [`Whole`] beside the pipeline.
struct InForce {
    version: Version,
    next: Option<(i32, OffsetDateTime)>,
    stage_ids: BTreeMap<String, Uuid>,
}

impl FromRow<'_, PgRow> for InForce {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let next: (Option<i32>, Option<OffsetDateTime>) =
            (row.try_get("next_number")?, row.try_get("next_at")?);
        let stage_ids: Option<Json<_>> = row.try_get("stage_ids")?;
        Ok(Self {
            version: Version::from_row(row)?,
            next: next.0.zip(next.1),
            stage_ids: stage_ids.map(|Json(ids)| ids).unwrap_or_default(),
        })
    }
}

/// The pipelines with what is in force at a moment, what comes next, and the ids of their stages.
pub(super) async fn whole(
    tx: &mut TenantTx,
    pipelines: Vec<Pipeline>,
    now: OffsetDateTime,
) -> Result<Vec<Whole>, Error> {
    let ids: Vec<Uuid> = pipelines.iter().map(|pipeline| pipeline.id).collect();
    let query =
        sqlx::query(select_whole!("", "AND p.id = ANY($3)")).bind(tx.tenant_id()).bind(now).bind(&ids);
    let rows = query.fetch_all(tx.conn()).await.map_err(DbError::from)?;
    let mut found: BTreeMap<Uuid, InForce> = BTreeMap::new();
    for row in &rows {
        let pipeline = row.try_get("pipeline_id").map_err(DbError::from)?;
        found.insert(pipeline, InForce::from_row(row).map_err(DbError::from)?);
    }
    let all = pipelines.into_iter().map(|pipeline| {
        let InForce { version, next, stage_ids } = found.remove(&pipeline.id).ok_or_else(no_version)?;
        Ok(Whole { in_force: version, next, stage_ids, pipeline })
    });
    all.collect()
}

/// A pipeline, or the default one, with all that belongs to it: one statement.
pub(super) async fn find_whole(
    tx: &mut TenantTx,
    id: Option<Uuid>,
    now: OffsetDateTime,
) -> Result<Option<Whole>, DbError> {
    let query = sqlx::query(select_whole!(
        "p.id, p.version, p.name, p.is_default, p.state, p.draft, p.last_number, p.created_at, p.created_by, p.updated_at, p.updated_by, ",
        "AND CASE WHEN $3::uuid IS NULL THEN p.is_default ELSE p.id = $3 END"
    ));
    let row = query.bind(tx.tenant_id()).bind(now).bind(id).fetch_optional(tx.conn()).await?;
    let Some(row) = row else { return Ok(None) };
    let InForce { version, next, stage_ids } = InForce::from_row(&row)?;
    Ok(Some(Whole { in_force: version, next, stage_ids, pipeline: Pipeline::from_row(&row)? }))
}

/// Of stages that no version in force has, what the last one said that had them.
pub(super) async fn retired(
    tx: &mut TenantTx,
    stages: &[Uuid],
    now: OffsetDateTime,
) -> Result<Vec<(Uuid, Stage)>, DbError> {
    let query = sqlx::query_as(
        "SELECT s.id, last.stage FROM pipeline.stage AS s CROSS JOIN LATERAL (
             SELECT stage FROM pipeline.pipeline_version AS v
             CROSS JOIN LATERAL jsonb_array_elements(v.document -> 'stages') AS stage
             WHERE v.tenant_id = $1 AND v.pipeline_id = s.pipeline_id AND (v.effective_at <= $3 OR v.number = 1)
               AND stage ->> 'key' = s.key
             ORDER BY v.number DESC LIMIT 1) AS last
         WHERE s.tenant_id = $1 AND s.id = ANY($2) ORDER BY s.key",
    );
    let query = query.bind(tx.tenant_id()).bind(stages).bind(now);
    let rows: Vec<(Uuid, Json<Stage>)> = query.fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|(id, Json(stage))| (id, stage)).collect())
}

/// Stages of a pipeline beside some, as [`retired`]: those of the newest versions first, each with the keys of those before it.
pub(super) async fn stages_before(
    tx: &mut TenantTx,
    pipeline: Uuid,
    beside: &[Uuid],
    now: OffsetDateTime,
    limit: i64,
) -> Result<Vec<(Uuid, Stage, Vec<String>)>, DbError> {
    let query = sqlx::query_as(
        "SELECT s.id, last.stage, last.before FROM pipeline.stage AS s CROSS JOIN LATERAL (
             SELECT v.number, e.place, e.stage, ARRAY(
                 SELECT other ->> 'key' FROM jsonb_array_elements(v.document -> 'stages') WITH ORDINALITY AS o (other, place)
                 WHERE o.place < e.place ORDER BY o.place) AS before
             FROM pipeline.pipeline_version AS v
             CROSS JOIN LATERAL jsonb_array_elements(v.document -> 'stages') WITH ORDINALITY AS e (stage, place)
             WHERE v.tenant_id = $1 AND v.pipeline_id = s.pipeline_id AND (v.effective_at <= $4 OR v.number = 1)
               AND e.stage ->> 'key' = s.key
             ORDER BY v.number DESC LIMIT 1) AS last
         WHERE s.tenant_id = $1 AND s.pipeline_id = $2 AND s.id <> ALL($3)
         ORDER BY last.number DESC, last.place LIMIT $5",
    );
    let query = query.bind(tx.tenant_id()).bind(pipeline).bind(beside).bind(now).bind(limit);
    let rows: Vec<(Uuid, Json<Stage>, Vec<String>)> = query.fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|(id, Json(stage), before)| (id, stage, before)).collect())
}

/// The kinds of all stages that a pipeline ever had, by their keys.
pub(super) async fn kinds(tx: &mut TenantTx, pipeline: Uuid) -> Result<Vec<(String, String)>, DbError> {
    let query = sqlx::query_as(
        "SELECT DISTINCT stage ->> 'key', stage ->> 'kind' FROM pipeline.pipeline_version AS v
         CROSS JOIN LATERAL jsonb_array_elements(v.document -> 'stages') AS stage
         WHERE v.tenant_id = $1 AND v.pipeline_id = $2",
    );
    Ok(query.bind(tx.tenant_id()).bind(pipeline).fetch_all(tx.conn()).await?)
}

/// How many versions of a pipeline come into force after a moment, unless others take their place.
pub(super) async fn scheduled(
    tx: &mut TenantTx,
    pipeline: Uuid,
    now: OffsetDateTime,
) -> Result<i64, DbError> {
    let query = sqlx::query_scalar(
        "SELECT count(*) FROM pipeline.pipeline_version AS n WHERE n.tenant_id = $1 AND n.pipeline_id = $2 AND n.effective_at > $3
           AND NOT EXISTS (SELECT FROM pipeline.pipeline_version AS later
               WHERE later.tenant_id = $1 AND later.pipeline_id = $2 AND later.number > n.number
                 AND later.effective_at <= n.effective_at)",
    );
    Ok(query.bind(tx.tenant_id()).bind(pipeline).bind(now).fetch_one(tx.conn()).await?)
}

/// The document published last.
pub(super) async fn last(tx: &mut TenantTx, pipeline: &Pipeline) -> Result<Document, DbError> {
    let query = sqlx::query_scalar(
        "SELECT document FROM pipeline.pipeline_version WHERE tenant_id = $1 AND pipeline_id = $2 AND number = $3",
    );
    let Json(document) =
        query.bind(tx.tenant_id()).bind(pipeline.id).bind(pipeline.last_number).fetch_one(tx.conn()).await?;
    Ok(document)
}

/// Versions with numbers less than `before`, the newest first.
pub(super) async fn versions(
    tx: &mut TenantTx,
    pipeline: Uuid,
    before: i32,
    limit: i64,
) -> Result<Vec<Version>, DbError> {
    let query = sqlx::query_as(
        "SELECT number, effective_at, published_at, published_by, note, document, stage_mapping
         FROM pipeline.pipeline_version WHERE tenant_id = $1 AND pipeline_id = $2 AND number < $3
         ORDER BY number DESC LIMIT $4",
    );
    Ok(query.bind(tx.tenant_id()).bind(pipeline).bind(before).bind(limit).fetch_all(tx.conn()).await?)
}

/// The ids of the stages of a pipeline, by their keys.
pub(super) async fn stage_ids(tx: &mut TenantTx, pipeline: Uuid) -> Result<BTreeMap<String, Uuid>, DbError> {
    let query =
        sqlx::query_as("SELECT key, id FROM pipeline.stage WHERE tenant_id = $1 AND pipeline_id = $2");
    let rows: Vec<(String, Uuid)> = query.bind(tx.tenant_id()).bind(pipeline).fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().collect())
}

pub(super) async fn insert(tx: &mut TenantTx, pipeline: &Pipeline) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO pipeline.pipeline (tenant_id, id, version, name, name_folded, is_default, state, draft, last_number,
             created_at, created_by, updated_at, updated_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(tx.tenant_id())
    .bind(pipeline.id)
    .bind(pipeline.version)
    .bind(&pipeline.name)
    .bind(field_types::search_key(&pipeline.name))
    .bind(pipeline.is_default)
    .bind(pipeline.state.as_str())
    .bind(pipeline.draft.as_ref().map(Json))
    .bind(pipeline.last_number)
    .bind(pipeline.created_at)
    .bind(pipeline.created_by)
    .bind(pipeline.updated_at)
    .bind(pipeline.updated_by)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes what can change, in the version that `pipeline` has.
pub(super) async fn update(tx: &mut TenantTx, pipeline: &Pipeline) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE pipeline.pipeline SET version = $3, name = $4, name_folded = $5, is_default = $6, state = $7, draft = $8,
             last_number = $9, updated_at = $10, updated_by = $11
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tx.tenant_id())
    .bind(pipeline.id)
    .bind(pipeline.version)
    .bind(&pipeline.name)
    .bind(field_types::search_key(&pipeline.name))
    .bind(pipeline.is_default)
    .bind(pipeline.state.as_str())
    .bind(pipeline.draft.as_ref().map(Json))
    .bind(pipeline.last_number)
    .bind(pipeline.updated_at)
    .bind(pipeline.updated_by)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes a version, and gives ids to stages with new keys.
pub(super) async fn publish(
    tx: &mut TenantTx,
    pipeline: Uuid,
    version: &Version,
    new_id: impl Fn() -> Uuid,
) -> Result<(), DbError> {
    let keys: Vec<&str> = version.document.stages.iter().map(|stage| stage.key.as_str()).collect();
    let ids: Vec<Uuid> = keys.iter().map(|_| new_id()).collect();
    sqlx::query(
        "INSERT INTO pipeline.stage (tenant_id, id, pipeline_id, key)
         SELECT $1, id, $2, key FROM unnest($3::uuid[], $4::text[]) AS new (id, key)
         ON CONFLICT (tenant_id, pipeline_id, key) DO NOTHING",
    )
    .bind(tx.tenant_id())
    .bind(pipeline)
    .bind(ids)
    .bind(keys)
    .execute(tx.conn())
    .await?;
    sqlx::query(
        "INSERT INTO pipeline.pipeline_version (tenant_id, pipeline_id, number, effective_at, published_at, published_by,
             note, document, stage_mapping)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(tx.tenant_id())
    .bind(pipeline)
    .bind(version.number)
    .bind(version.effective_at)
    .bind(version.published_at)
    .bind(version.published_by)
    .bind(&version.note)
    .bind(Json(&version.document))
    .bind(Json(&version.stage_mapping))
    .execute(tx.conn())
    .await?;
    Ok(())
}
