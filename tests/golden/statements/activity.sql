-- lock
SELECT t.id AS _id, t.version AS _version, t.owner_id AS _owner_id, t.team_id AS _team_id, t.version, t.created_at, t.created_by,
  t.updated_at, t.updated_by, t.deleted_at, t.source, t.owner_id, t.team_id, t.external_ids, t.tags, t.kind,
  t.subject, t.body, t.state, t.priority, t.due_at, t.starts_at, t.ends_at, t.all_day, t.timezone,
  t.completed_at, t.outcome, t.duration_seconds, t.assignee_id, t.links, t.participants, t.cancelled_reason,
  t.overdue, t.reminders, t.recurrence, t.recurs_at, t.next_id, t.custom
FROM activities.activities AS t WHERE t.tenant_id = $1 AND t.id = $2
FOR UPDATE OF t;

-- slice
SELECT t.id AS _id, t.version AS _version, t.owner_id AS _owner_id, t.team_id AS _team_id, t.version, t.created_at, t.created_by,
  t.updated_at, t.updated_by, t.deleted_at, t.source, t.owner_id, t.team_id, t.external_ids, t.tags, t.kind,
  t.subject, t.body, t.state, t.priority, t.due_at, t.starts_at, t.ends_at, t.all_day, t.timezone,
  t.completed_at, t.outcome, t.duration_seconds, t.assignee_id, t.links, t.participants, t.cancelled_reason,
  t.overdue, t.reminders, t.recurrence, t.recurs_at, t.next_id, t.custom
FROM activities.activities AS t WHERE t.tenant_id = $1 AND t.id > $2 ORDER BY t.id LIMIT $3;

-- insert
WITH fence AS MATERIALIZED (
  SELECT version FROM definitions_fence WHERE tenant_id = $1 AND object = 'activity' FOR SHARE),
done AS (
INSERT INTO activities.activities (tenant_id, id, version, created_at, created_by, updated_at, updated_by, source, owner_id, team_id, external_ids, tags, kind, subject, subject_folded, body, state, priority, due_at, starts_at,
  ends_at, all_day, timezone, completed_at, outcome, duration_seconds, assignee_id, links, participants,
  cancelled_reason, overdue, reminders, recurrence, recurs_at, next_id, custom, num_01, num_02, num_03, num_04,
  num_05, num_06, num_07, num_08, num_09, num_10, txt_01, txt_02, txt_03, txt_04, txt_05, txt_06, txt_07, txt_08,
  txt_09, txt_10, ts_01, ts_02, ts_03, ts_04, ts_05, ts_06, ref_01, ref_02, ref_03, ref_04)
SELECT $1, r.id, r.version, r.created_at, r.created_by, r.updated_at, r.updated_by, r.source, r.owner_id, r.team_id, COALESCE(r.external_ids, '{}'::jsonb), COALESCE(r.tags, '{}'::text[]), r.kind,
  r.subject, r.subject_folded, r.body, r.state, r.priority, r.due_at, r.starts_at, r.ends_at,
  COALESCE(r.all_day, false), r.timezone, r.completed_at, r.outcome, r.duration_seconds, r.assignee_id,
  COALESCE(r.links, '[]'::jsonb), COALESCE(r.participants, '[]'::jsonb), r.cancelled_reason, r.overdue,
  COALESCE(r.reminders, '[]'::jsonb), r.recurrence, r.recurs_at, r.next_id, COALESCE(r.custom, '{}'::jsonb),
  r.num_01, r.num_02, r.num_03, r.num_04, r.num_05, r.num_06, r.num_07, r.num_08, r.num_09, r.num_10, r.txt_01,
  r.txt_02, r.txt_03, r.txt_04, r.txt_05, r.txt_06, r.txt_07, r.txt_08, r.txt_09, r.txt_10, r.ts_01, r.ts_02,
  r.ts_03, r.ts_04, r.ts_05, r.ts_06, r.ref_01, r.ref_02, r.ref_03, r.ref_04
FROM jsonb_populate_recordset(NULL::activities.activities, $2) AS r)
SELECT version FROM fence;

-- update
WITH fence AS MATERIALIZED (
  SELECT version FROM definitions_fence WHERE tenant_id = $1 AND object = 'activity' FOR SHARE),
done AS (
UPDATE activities.activities AS t SET (version, updated_at, updated_by, owner_id, team_id, external_ids, tags, kind, subject, subject_folded, body, state, priority, due_at, starts_at,
  ends_at, all_day, timezone, completed_at, outcome, duration_seconds, assignee_id, links, participants,
  cancelled_reason, overdue, reminders, recurrence, recurs_at, next_id, custom, num_01, num_02, num_03, num_04,
  num_05, num_06, num_07, num_08, num_09, num_10, txt_01, txt_02, txt_03, txt_04, txt_05, txt_06, txt_07, txt_08,
  txt_09, txt_10, ts_01, ts_02, ts_03, ts_04, ts_05, ts_06, ref_01, ref_02, ref_03, ref_04)
= ROW(r.version, r.updated_at, r.updated_by, r.owner_id, r.team_id, COALESCE(r.external_ids, '{}'::jsonb), COALESCE(r.tags, '{}'::text[]), r.kind,
  r.subject, r.subject_folded, r.body, r.state, r.priority, r.due_at, r.starts_at, r.ends_at,
  COALESCE(r.all_day, false), r.timezone, r.completed_at, r.outcome, r.duration_seconds, r.assignee_id,
  COALESCE(r.links, '[]'::jsonb), COALESCE(r.participants, '[]'::jsonb), r.cancelled_reason, r.overdue,
  COALESCE(r.reminders, '[]'::jsonb), r.recurrence, r.recurs_at, r.next_id, COALESCE(r.custom, '{}'::jsonb),
  r.num_01, r.num_02, r.num_03, r.num_04, r.num_05, r.num_06, r.num_07, r.num_08, r.num_09, r.num_10, r.txt_01,
  r.txt_02, r.txt_03, r.txt_04, r.txt_05, r.txt_06, r.txt_07, r.txt_08, r.txt_09, r.txt_10, r.ts_01, r.ts_02,
  r.ts_03, r.ts_04, r.ts_05, r.ts_06, r.ref_01, r.ref_02, r.ref_03, r.ref_04)
FROM jsonb_populate_record(NULL::activities.activities, $2) AS r
WHERE t.tenant_id = $1 AND t.id = $3 AND t.version = $4 AND t.deleted_at IS NULL
  AND ($5 OR t.owner_id = ANY($6) OR t.team_id = ANY($7))
RETURNING t.id)
SELECT (SELECT version FROM fence), EXISTS (SELECT FROM done);

-- update_all
WITH fence AS MATERIALIZED (
  SELECT version FROM definitions_fence WHERE tenant_id = $1 AND object = 'activity' FOR SHARE),
done AS (
UPDATE activities.activities AS t SET (version, updated_at, updated_by, owner_id, team_id, external_ids, tags, kind, subject, subject_folded, body, state, priority, due_at, starts_at,
  ends_at, all_day, timezone, completed_at, outcome, duration_seconds, assignee_id, links, participants,
  cancelled_reason, overdue, reminders, recurrence, recurs_at, next_id, custom, num_01, num_02, num_03, num_04,
  num_05, num_06, num_07, num_08, num_09, num_10, txt_01, txt_02, txt_03, txt_04, txt_05, txt_06, txt_07, txt_08,
  txt_09, txt_10, ts_01, ts_02, ts_03, ts_04, ts_05, ts_06, ref_01, ref_02, ref_03, ref_04)
= ROW(r.version, r.updated_at, r.updated_by, r.owner_id, r.team_id, COALESCE(r.external_ids, '{}'::jsonb), COALESCE(r.tags, '{}'::text[]), r.kind,
  r.subject, r.subject_folded, r.body, r.state, r.priority, r.due_at, r.starts_at, r.ends_at,
  COALESCE(r.all_day, false), r.timezone, r.completed_at, r.outcome, r.duration_seconds, r.assignee_id,
  COALESCE(r.links, '[]'::jsonb), COALESCE(r.participants, '[]'::jsonb), r.cancelled_reason, r.overdue,
  COALESCE(r.reminders, '[]'::jsonb), r.recurrence, r.recurs_at, r.next_id, COALESCE(r.custom, '{}'::jsonb),
  r.num_01, r.num_02, r.num_03, r.num_04, r.num_05, r.num_06, r.num_07, r.num_08, r.num_09, r.num_10, r.txt_01,
  r.txt_02, r.txt_03, r.txt_04, r.txt_05, r.txt_06, r.txt_07, r.txt_08, r.txt_09, r.txt_10, r.ts_01, r.ts_02,
  r.ts_03, r.ts_04, r.ts_05, r.ts_06, r.ref_01, r.ref_02, r.ref_03, r.ref_04)
FROM jsonb_populate_recordset(NULL::activities.activities, $2) AS r
WHERE t.tenant_id = $1 AND t.id = r.id AND t.version = r.version - 1 AND t.deleted_at IS NULL
  AND ($3 OR t.owner_id = ANY($4) OR t.team_id = ANY($5))
RETURNING t.id)
SELECT (SELECT version FROM fence), (SELECT count(*) FROM done);

-- delete
UPDATE activities.activities AS t
SET version = t.version + 1, updated_at = $4, updated_by = $5, deleted_at = $4, deleted_by = $5
FROM unnest($2::uuid[], $3::bigint[]) AS moved (id, version)
WHERE t.tenant_id = $1 AND t.id = moved.id AND t.version = moved.version AND t.deleted_at IS NULL
  AND ($6 OR t.owner_id = ANY($7) OR t.team_id = ANY($8));

-- restore
UPDATE activities.activities AS t
SET version = t.version + 1, updated_at = $4, updated_by = $5, deleted_at = NULL, deleted_by = NULL
FROM unnest($2::uuid[], $3::bigint[]) AS moved (id, version)
WHERE t.tenant_id = $1 AND t.id = moved.id AND t.version = moved.version AND t.deleted_at IS NOT NULL
  AND ($6 OR t.owner_id = ANY($7) OR t.team_id = ANY($8));

-- whole
SELECT to_jsonb(t) FROM activities.activities AS t WHERE t.tenant_id = $1 AND t.id = $2;

-- differing
SELECT t.id FROM jsonb_populate_recordset(NULL::activities.activities, $2) AS r
JOIN activities.activities AS t ON t.tenant_id = $1 AND t.id = r.id AND t.version = r.version
WHERE ROW(t.subject_folded, t.overdue, t.num_01, t.num_02, t.num_03, t.num_04, t.num_05, t.num_06, t.num_07, t.num_08,
  t.num_09, t.num_10, t.txt_01, t.txt_02, t.txt_03, t.txt_04, t.txt_05, t.txt_06, t.txt_07, t.txt_08, t.txt_09,
  t.txt_10, t.ts_01, t.ts_02, t.ts_03, t.ts_04, t.ts_05, t.ts_06, t.ref_01, t.ref_02, t.ref_03, t.ref_04)
IS DISTINCT FROM ROW(r.subject_folded, r.overdue, r.num_01, r.num_02, r.num_03, r.num_04, r.num_05, r.num_06, r.num_07, r.num_08,
  r.num_09, r.num_10, r.txt_01, r.txt_02, r.txt_03, r.txt_04, r.txt_05, r.txt_06, r.txt_07, r.txt_08, r.txt_09,
  r.txt_10, r.ts_01, r.ts_02, r.ts_03, r.ts_04, r.ts_05, r.ts_06, r.ref_01, r.ref_02, r.ref_03, r.ref_04);

-- derived
UPDATE activities.activities AS t SET (subject_folded, overdue, num_01, num_02, num_03, num_04, num_05, num_06, num_07, num_08, num_09, num_10,
  txt_01, txt_02, txt_03, txt_04, txt_05, txt_06, txt_07, txt_08, txt_09, txt_10, ts_01, ts_02, ts_03, ts_04,
  ts_05, ts_06, ref_01, ref_02, ref_03, ref_04)
= ROW(r.subject_folded, r.overdue, r.num_01, r.num_02, r.num_03, r.num_04, r.num_05, r.num_06, r.num_07, r.num_08,
  r.num_09, r.num_10, r.txt_01, r.txt_02, r.txt_03, r.txt_04, r.txt_05, r.txt_06, r.txt_07, r.txt_08, r.txt_09,
  r.txt_10, r.ts_01, r.ts_02, r.ts_03, r.ts_04, r.ts_05, r.ts_06, r.ref_01, r.ref_02, r.ref_03, r.ref_04)
FROM jsonb_populate_recordset(NULL::activities.activities, $2) AS r
WHERE t.tenant_id = $1 AND t.id = r.id AND t.version = r.version;

-- reached
SELECT t.id FROM activities.activities AS t
WHERE t.tenant_id = $1 AND t.id = ANY($2) AND t.deleted_at IS NULL
  AND ($3 OR t.owner_id = ANY($4) OR t.team_id = ANY($5));

-- named
SELECT t.id, CASE WHEN ($3 OR t.owner_id = ANY($4) OR t.team_id = ANY($5)) THEN t.subject END, t.deleted_at IS NOT NULL
FROM activities.activities AS t WHERE t.tenant_id = $1 AND t.id = ANY($2);

-- lock_all
SELECT t.id AS _id, t.version AS _version, t.owner_id AS _owner_id, t.team_id AS _team_id, t.version, t.created_at, t.created_by,
  t.updated_at, t.updated_by, t.deleted_at, t.source, t.owner_id, t.team_id, t.external_ids, t.tags, t.kind,
  t.subject, t.body, t.state, t.priority, t.due_at, t.starts_at, t.ends_at, t.all_day, t.timezone,
  t.completed_at, t.outcome, t.duration_seconds, t.assignee_id, t.links, t.participants, t.cancelled_reason,
  t.overdue, t.reminders, t.recurrence, t.recurs_at, t.next_id, t.custom
FROM activities.activities AS t WHERE t.tenant_id = $1 AND t.id = ANY($2) ORDER BY t.id
FOR UPDATE OF t;

-- doomed
SELECT t.id, t.deleted_by FROM activities.activities AS t
WHERE t.tenant_id = $1 AND t.id = ANY($2) AND t.deleted_at < $3 ORDER BY t.id
FOR UPDATE OF t;

-- purge
DELETE FROM activities.activities AS t
WHERE t.tenant_id = $1 AND t.id = ANY($2)
RETURNING t.id, t.version, t.owner_id, t.team_id, t.deleted_by;

-- touch
UPDATE activities.activities AS t
SET version = r.version, updated_at = r.updated_at, updated_by = r.updated_by
FROM jsonb_populate_recordset(NULL::activities.activities, $2) AS r
WHERE t.tenant_id = $1 AND t.id = r.id;

-- standard
UPDATE activities.activities AS t SET (version, updated_at, updated_by, owner_id, team_id, external_ids, tags, kind, subject, subject_folded, body, state, priority, due_at, starts_at,
  ends_at, all_day, timezone, completed_at, outcome, duration_seconds, assignee_id, links, participants,
  cancelled_reason, overdue, reminders, recurrence, recurs_at, next_id)
= ROW(r.version, r.updated_at, r.updated_by, r.owner_id, r.team_id, COALESCE(r.external_ids, '{}'::jsonb), COALESCE(r.tags, '{}'::text[]), r.kind,
  r.subject, r.subject_folded, r.body, r.state, r.priority, r.due_at, r.starts_at, r.ends_at,
  COALESCE(r.all_day, false), r.timezone, r.completed_at, r.outcome, r.duration_seconds, r.assignee_id,
  COALESCE(r.links, '[]'::jsonb), COALESCE(r.participants, '[]'::jsonb), r.cancelled_reason, r.overdue,
  COALESCE(r.reminders, '[]'::jsonb), r.recurrence, r.recurs_at, r.next_id)
FROM jsonb_populate_recordset(NULL::activities.activities, $2) AS r
WHERE t.tenant_id = $1 AND t.id = r.id;

-- gone
SELECT asked.id FROM unnest($2::uuid[]) AS asked (id)
WHERE NOT EXISTS (SELECT FROM activities.activities AS t WHERE t.tenant_id = $1 AND t.id = asked.id);

-- rewrite links
UPDATE activities.activities AS t
SET version = r.version, updated_at = r.updated_at, updated_by = r.updated_by, links = COALESCE(r.links, '[]'::jsonb)
FROM jsonb_populate_recordset(NULL::activities.activities, $2) AS r
WHERE t.tenant_id = $1 AND t.id = r.id;

-- rewrite participants
UPDATE activities.activities AS t
SET version = r.version, updated_at = r.updated_at, updated_by = r.updated_by, participants = COALESCE(r.participants, '[]'::jsonb)
FROM jsonb_populate_recordset(NULL::activities.activities, $2) AS r
WHERE t.tenant_id = $1 AND t.id = r.id;

