//! 100,000 deals in eight stages, ten stage entries each, a million activities, and one deal whose timeline has 10,000 entries.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::Progress;

use super::database::Login;
use super::{Organisation, text};

/// Of the deals that are changed by a bulk operation.
pub(super) const TAG: &str = "many";

/// What was made.
pub(super) struct Seeded {
    pub(super) pipeline: String,
    pub(super) second_stage: String,
    /// The one with the long timeline.
    pub(super) deal: String,
    /// Instants, as texts.
    pub(super) now: String,
    pub(super) month_ago: String,
    /// A table for what plain SQL notes of its changes.
    pub(super) scratch: &'static str,
}

/// A deal that is in the first stage, another for every number below 10,000.
pub(super) fn movable(n: usize) -> String {
    id(8 * (n + 10))
}

/// The id of a deal.
fn id(n: usize) -> String {
    format!("00000000-0000-7000-8000-{n:012x}")
}

/// Makes all of it; half of the deals are the rep's.
pub(super) fn seed(
    admin: &mut Organisation,
    rep: &mut Organisation,
    sql: &Login,
    progress: &Progress,
) -> Result<Seeded> {
    let open = ["new", "called", "demo", "trial", "offer", "closing"];
    let mut stages: Vec<Value> = (10..)
        .step_by(10)
        .zip(open)
        .map(
            |(probability, key)| json!({"key": key, "name": key, "kind": "open", "probability": probability}),
        )
        .collect();
    stages.push(json!({"key": "won", "name": "won", "kind": "won", "probability": 100}));
    stages.push(json!({"key": "lost", "name": "lost", "kind": "lost", "probability": 0}));
    let made = json!({"name": "Bench", "document": {"stages": stages, "rules": {"moves": "any"}}});
    let made = admin.post("/api/v1/pipelines", &made)?;
    let stages = made["stages"].as_array().context("stages")?;
    let ids: Vec<String> = stages.iter().map(|stage| text(&stage["id"])).collect::<Result<_>>()?;
    let me = |organisation: &mut Organisation| text(&organisation.get("/api/v1/me")?["user"]["id"]);
    let (boss, seller) = (me(admin)?, me(rep)?);
    let (tenant, pipeline) = (admin.tenant.clone(), text(&made["id"])?);
    let set = [
        format!("SET bench.tenant = '{tenant}'"),
        format!("SET bench.pipeline = '{pipeline}'"),
        format!("SET bench.stages = '{{{}}}'", ids.join(",")),
        format!("SET bench.users = '{{{boss},{seller}}}'"),
    ];
    for (what, statements) in STEPS {
        progress.say(*what);
        let all: Vec<&str> = set.iter().map(String::as_str).chain(statements.iter().copied()).collect();
        sql.query(&all)?;
    }
    let instant = |back: &str| {
        let asked = format!(
            "SELECT to_char((now() - interval '{back}') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
        );
        anyhow::Ok(sql.query(&[&asked])?.trim().to_owned())
    };
    Ok(Seeded {
        pipeline,
        second_stage: ids[1].clone(),
        deal: id(1),
        now: instant("1 second")?,
        month_ago: instant("30 days")?,
        scratch: "public.bench_change",
    })
}

/// Each in one session, by itself.
const STEPS: &[(&str, &[&str])] = &[
    (
        "seeding 100,000 deals",
        &[
            "CREATE FUNCTION public.bench_id(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
             $$ SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$",
            "CREATE TABLE public.bench_change (tenant_id uuid, id uuid, version bigint, object text, at timestamptz)",
            "INSERT INTO pipeline.deals (tenant_id, id, version, created_at, created_by, updated_at, updated_by, owner_id, source, external_ids,
                 tags, name, name_folded, pipeline_id, stage_id, stage_key, pipeline_version, status, stage_entered_at, closed_at, rank, amount,
                 amount_minor, amount_currency, probability, probability_source, expected_close_date, contacts, custom)
             SELECT current_setting('bench.tenant')::uuid, bench_id(n), 1, at, u[1], at, u[1], u[1 + n % 2], 'api', '{}',
                 CASE WHEN n % 10 = 0 THEN ARRAY['many'] ELSE ARRAY[]::text[] END, 'Deal ' || n, 'deal ' || n,
                 current_setting('bench.pipeline')::uuid, s[1 + n % 8], k[1 + n % 8], 1,
                 CASE n % 8 WHEN 6 THEN 'won' WHEN 7 THEN 'lost' ELSE 'open' END, at + interval '63 days',
                 CASE WHEN n % 8 >= 6 THEN at + interval '63 days' END, 'h' || lpad(to_hex(n), 8, '0') || 'h',
                 jsonb_build_object('amount_minor', 1000 * n, 'currency', 'EUR'), 1000 * n, 'EUR',
                 (ARRAY[10, 20, 30, 40, 50, 60, 100, 0])[1 + n % 8], 'stage', current_date + (n % 365)::int, '[]', '{}'
             FROM (SELECT n, now() - interval '64 days' - (n % 300) * interval '1 day' AS at FROM generate_series(1, 100000) AS n) AS n,
                 (SELECT current_setting('bench.stages')::uuid[] AS s, current_setting('bench.users')::uuid[] AS u,
                     ARRAY['new', 'called', 'demo', 'trial', 'offer', 'closing', 'won', 'lost'] AS k) AS given",
            "INSERT INTO pipeline.record_tag (tenant_id, object, record_id, tag, tag_folded)
             SELECT current_setting('bench.tenant')::uuid, 'deal', bench_id(n), 'many', 'many' FROM generate_series(10, 100000, 10) AS n",
        ],
    ),
    (
        "seeding 1,000,000 stage entries",
        &["INSERT INTO pipeline.stage_entry (tenant_id, deal_id, sequence, pipeline_id, pipeline_version, stage_id, entered_at, left_at, left_to,
                 again_at, status, closed_at, created_at, created_here, actor_kind, actor_id, source)
             WITH visit AS (
                 SELECT last, sequence, CASE sequence WHEN 10 THEN last ELSE (ARRAY[0, 1, 2, 3, 2, 3, 4, 3, 4])[sequence] END AS stage
                 FROM generate_series(0, 7) AS last, generate_series(1, 10) AS sequence),
             way AS (
                 SELECT *, lead(stage) OVER (PARTITION BY last ORDER BY sequence) AS next,
                     lead(sequence) OVER (PARTITION BY last, stage ORDER BY sequence) AS again FROM visit)
             SELECT current_setting('bench.tenant')::uuid, bench_id(n), sequence, current_setting('bench.pipeline')::uuid, 1, s[1 + stage],
                 at + (sequence - 1) * interval '7 days', CASE WHEN sequence < 10 THEN at + sequence * interval '7 days' END, s[1 + next],
                 at + (again - 1) * interval '7 days', CASE WHEN stage = 6 THEN 'won' WHEN stage = 7 THEN 'lost' ELSE 'open' END,
                 CASE WHEN stage >= 6 THEN at + interval '63 days' END, at, true, 'user', u[1],
                 CASE sequence WHEN 1 THEN 'create' ELSE 'move' END
             FROM (SELECT n, now() - interval '64 days' - (n % 300) * interval '1 day' AS at FROM generate_series(1, 100000) AS n) AS n
             JOIN way ON last = n % 8,
                 (SELECT current_setting('bench.stages')::uuid[] AS s, current_setting('bench.users')::uuid[] AS u) AS given"],
    ),
    (
        "seeding 1,000,000 activities",
        &[
            "INSERT INTO activities.activities (tenant_id, id, version, created_at, created_by, updated_at, updated_by, owner_id, source,
                 external_ids, tags, kind, subject, subject_folded, state, priority, due_at, all_day, links, participants, reminders, custom,
                 completed_at, outcome)
             SELECT current_setting('bench.tenant')::uuid, bench_id(1000000 + n), 1, at, u[1], at, u[1], u[1 + n % 2], 'api', '{}',
                 ARRAY[]::text[], 'task', 'Task ' || n, 'task ' || n, CASE WHEN n % 2 = 0 THEN 'completed' ELSE 'planned' END, 'normal', at, false,
                 jsonb_build_array(jsonb_build_object('object', 'deal', 'id', bench_id(CASE WHEN n <= 10000 THEN 1 ELSE 1 + n % 100000 END))),
                 '[]', '[]', '{}', CASE WHEN n % 2 = 0 THEN at END, CASE WHEN n % 2 = 0 THEN 'done' END
             FROM (SELECT n, now() - n * interval '30 seconds' AS at FROM generate_series(1, 1000000) AS n) AS n,
                 (SELECT current_setting('bench.users')::uuid[] AS u) AS given",
            "INSERT INTO activities.activity_link (tenant_id, activity_id, record_id, object)
             SELECT current_setting('bench.tenant')::uuid, bench_id(1000000 + n), bench_id(CASE WHEN n <= 10000 THEN 1 ELSE 1 + n % 100000 END), 'deal'
             FROM generate_series(1, 1000000) AS n",
            "INSERT INTO activities.timeline_entry (tenant_id, record_id, type, happened_at, id, object, event, source_object, source_id,
                 event_id, actor_kind, actor_id, fields, data)
             SELECT current_setting('bench.tenant')::uuid, bench_id(1), 'activity', now() - n * interval '30 seconds', bench_id(5000000 + n), 'deal',
                 'created', 'activity', bench_id(1000000 + n), bench_id(6000000 + n), 'user', u[1], ARRAY[]::text[],
                 jsonb_build_object('kind', 'task')
             FROM generate_series(1, 10000) AS n, (SELECT current_setting('bench.users')::uuid[] AS u) AS given",
        ],
    ),
    ("what the planner knows", &["VACUUM ANALYZE"]),
];
