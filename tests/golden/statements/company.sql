-- lock
SELECT t.id AS _id, t.version AS _version, t.owner_id AS _owner_id, t.team_id AS _team_id, t.version, t.created_at, t.created_by,
  t.updated_at, t.updated_by, t.deleted_at, t.source, t.owner_id, t.team_id, t.external_ids, t.tags, t.name,
  t.legal_name, t.domains, t.parent_id, t.industry, t.employee_count, t.annual_revenue, t.phones, t.addresses,
  t.tax_id, t.description, t.lifecycle, t.last_activity_at, t.custom
FROM records.companies AS t WHERE t.tenant_id = $1 AND t.id = $2
FOR UPDATE OF t;

-- slice
SELECT t.id AS _id, t.version AS _version, t.owner_id AS _owner_id, t.team_id AS _team_id, t.version, t.created_at, t.created_by,
  t.updated_at, t.updated_by, t.deleted_at, t.source, t.owner_id, t.team_id, t.external_ids, t.tags, t.name,
  t.legal_name, t.domains, t.parent_id, t.industry, t.employee_count, t.annual_revenue, t.phones, t.addresses,
  t.tax_id, t.description, t.lifecycle, t.last_activity_at, t.custom
FROM records.companies AS t WHERE t.tenant_id = $1 AND t.id > $2 ORDER BY t.id LIMIT $3;

-- insert
WITH fence AS MATERIALIZED (
  SELECT version FROM definitions_fence WHERE tenant_id = $1 AND object = 'company' FOR SHARE),
done AS (
INSERT INTO records.companies (tenant_id, id, version, created_at, created_by, updated_at, updated_by, source, owner_id, team_id, external_ids, tags, name, name_folded, legal_name, legal_name_folded, domains, parent_id,
  industry, employee_count, annual_revenue, annual_revenue_minor, annual_revenue_currency, phones, addresses,
  tax_id, description, lifecycle, custom, num_01, num_02, num_03, num_04, num_05, num_06, num_07, num_08, num_09,
  num_10, txt_01, txt_02, txt_03, txt_04, txt_05, txt_06, txt_07, txt_08, txt_09, txt_10, ts_01, ts_02, ts_03,
  ts_04, ts_05, ts_06, ref_01, ref_02, ref_03, ref_04)
SELECT $1, r.id, r.version, r.created_at, r.created_by, r.updated_at, r.updated_by, r.source, r.owner_id, r.team_id, COALESCE(r.external_ids, '{}'::jsonb), COALESCE(r.tags, '{}'::text[]), r.name,
  r.name_folded, r.legal_name, r.legal_name_folded, COALESCE(r.domains, '{}'::text[]), r.parent_id, r.industry,
  r.employee_count, r.annual_revenue, r.annual_revenue_minor, r.annual_revenue_currency,
  COALESCE(r.phones, '[]'::jsonb), COALESCE(r.addresses, '[]'::jsonb), r.tax_id, r.description, r.lifecycle,
  COALESCE(r.custom, '{}'::jsonb), r.num_01, r.num_02, r.num_03, r.num_04, r.num_05, r.num_06, r.num_07,
  r.num_08, r.num_09, r.num_10, r.txt_01, r.txt_02, r.txt_03, r.txt_04, r.txt_05, r.txt_06, r.txt_07, r.txt_08,
  r.txt_09, r.txt_10, r.ts_01, r.ts_02, r.ts_03, r.ts_04, r.ts_05, r.ts_06, r.ref_01, r.ref_02, r.ref_03,
  r.ref_04
FROM jsonb_populate_recordset(NULL::records.companies, $2) AS r)
SELECT version FROM fence;

-- update
WITH fence AS MATERIALIZED (
  SELECT version FROM definitions_fence WHERE tenant_id = $1 AND object = 'company' FOR SHARE),
done AS (
UPDATE records.companies AS t SET (version, updated_at, updated_by, owner_id, team_id, external_ids, tags, name, name_folded, legal_name, legal_name_folded, domains, parent_id,
  industry, employee_count, annual_revenue, annual_revenue_minor, annual_revenue_currency, phones, addresses,
  tax_id, description, lifecycle, custom, num_01, num_02, num_03, num_04, num_05, num_06, num_07, num_08, num_09,
  num_10, txt_01, txt_02, txt_03, txt_04, txt_05, txt_06, txt_07, txt_08, txt_09, txt_10, ts_01, ts_02, ts_03,
  ts_04, ts_05, ts_06, ref_01, ref_02, ref_03, ref_04)
= ROW(r.version, r.updated_at, r.updated_by, r.owner_id, r.team_id, COALESCE(r.external_ids, '{}'::jsonb), COALESCE(r.tags, '{}'::text[]), r.name,
  r.name_folded, r.legal_name, r.legal_name_folded, COALESCE(r.domains, '{}'::text[]), r.parent_id, r.industry,
  r.employee_count, r.annual_revenue, r.annual_revenue_minor, r.annual_revenue_currency,
  COALESCE(r.phones, '[]'::jsonb), COALESCE(r.addresses, '[]'::jsonb), r.tax_id, r.description, r.lifecycle,
  COALESCE(r.custom, '{}'::jsonb), r.num_01, r.num_02, r.num_03, r.num_04, r.num_05, r.num_06, r.num_07,
  r.num_08, r.num_09, r.num_10, r.txt_01, r.txt_02, r.txt_03, r.txt_04, r.txt_05, r.txt_06, r.txt_07, r.txt_08,
  r.txt_09, r.txt_10, r.ts_01, r.ts_02, r.ts_03, r.ts_04, r.ts_05, r.ts_06, r.ref_01, r.ref_02, r.ref_03,
  r.ref_04)
FROM jsonb_populate_record(NULL::records.companies, $2) AS r
WHERE t.tenant_id = $1 AND t.id = $3 AND t.version = $4 AND t.deleted_at IS NULL
  AND ($5 OR t.owner_id = ANY($6) OR t.team_id = ANY($7))
RETURNING t.id)
SELECT (SELECT version FROM fence), EXISTS (SELECT FROM done);

-- update_all
WITH fence AS MATERIALIZED (
  SELECT version FROM definitions_fence WHERE tenant_id = $1 AND object = 'company' FOR SHARE),
done AS (
UPDATE records.companies AS t SET (version, updated_at, updated_by, owner_id, team_id, external_ids, tags, name, name_folded, legal_name, legal_name_folded, domains, parent_id,
  industry, employee_count, annual_revenue, annual_revenue_minor, annual_revenue_currency, phones, addresses,
  tax_id, description, lifecycle, custom, num_01, num_02, num_03, num_04, num_05, num_06, num_07, num_08, num_09,
  num_10, txt_01, txt_02, txt_03, txt_04, txt_05, txt_06, txt_07, txt_08, txt_09, txt_10, ts_01, ts_02, ts_03,
  ts_04, ts_05, ts_06, ref_01, ref_02, ref_03, ref_04)
= ROW(r.version, r.updated_at, r.updated_by, r.owner_id, r.team_id, COALESCE(r.external_ids, '{}'::jsonb), COALESCE(r.tags, '{}'::text[]), r.name,
  r.name_folded, r.legal_name, r.legal_name_folded, COALESCE(r.domains, '{}'::text[]), r.parent_id, r.industry,
  r.employee_count, r.annual_revenue, r.annual_revenue_minor, r.annual_revenue_currency,
  COALESCE(r.phones, '[]'::jsonb), COALESCE(r.addresses, '[]'::jsonb), r.tax_id, r.description, r.lifecycle,
  COALESCE(r.custom, '{}'::jsonb), r.num_01, r.num_02, r.num_03, r.num_04, r.num_05, r.num_06, r.num_07,
  r.num_08, r.num_09, r.num_10, r.txt_01, r.txt_02, r.txt_03, r.txt_04, r.txt_05, r.txt_06, r.txt_07, r.txt_08,
  r.txt_09, r.txt_10, r.ts_01, r.ts_02, r.ts_03, r.ts_04, r.ts_05, r.ts_06, r.ref_01, r.ref_02, r.ref_03,
  r.ref_04)
FROM jsonb_populate_recordset(NULL::records.companies, $2) AS r
WHERE t.tenant_id = $1 AND t.id = r.id AND t.version = r.version - 1 AND t.deleted_at IS NULL
  AND ($3 OR t.owner_id = ANY($4) OR t.team_id = ANY($5))
RETURNING t.id)
SELECT (SELECT version FROM fence), (SELECT count(*) FROM done);

-- delete
UPDATE records.companies AS t
SET version = t.version + 1, updated_at = $4, updated_by = $5, deleted_at = $4, deleted_by = $5
FROM unnest($2::uuid[], $3::bigint[]) AS moved (id, version)
WHERE t.tenant_id = $1 AND t.id = moved.id AND t.version = moved.version AND t.deleted_at IS NULL
  AND ($6 OR t.owner_id = ANY($7) OR t.team_id = ANY($8));

-- restore
UPDATE records.companies AS t
SET version = t.version + 1, updated_at = $4, updated_by = $5, deleted_at = NULL, deleted_by = NULL
FROM unnest($2::uuid[], $3::bigint[]) AS moved (id, version)
WHERE t.tenant_id = $1 AND t.id = moved.id AND t.version = moved.version AND t.deleted_at IS NOT NULL
  AND ($6 OR t.owner_id = ANY($7) OR t.team_id = ANY($8));

-- whole
SELECT to_jsonb(t) FROM records.companies AS t WHERE t.tenant_id = $1 AND t.id = $2;

-- differing
SELECT t.id FROM jsonb_populate_recordset(NULL::records.companies, $2) AS r
JOIN records.companies AS t ON t.tenant_id = $1 AND t.id = r.id AND t.version = r.version
WHERE ROW(t.name_folded, t.legal_name_folded, t.annual_revenue_minor, t.annual_revenue_currency, t.num_01, t.num_02,
  t.num_03, t.num_04, t.num_05, t.num_06, t.num_07, t.num_08, t.num_09, t.num_10, t.txt_01, t.txt_02, t.txt_03,
  t.txt_04, t.txt_05, t.txt_06, t.txt_07, t.txt_08, t.txt_09, t.txt_10, t.ts_01, t.ts_02, t.ts_03, t.ts_04,
  t.ts_05, t.ts_06, t.ref_01, t.ref_02, t.ref_03, t.ref_04)
IS DISTINCT FROM ROW(r.name_folded, r.legal_name_folded, r.annual_revenue_minor, r.annual_revenue_currency, r.num_01, r.num_02,
  r.num_03, r.num_04, r.num_05, r.num_06, r.num_07, r.num_08, r.num_09, r.num_10, r.txt_01, r.txt_02, r.txt_03,
  r.txt_04, r.txt_05, r.txt_06, r.txt_07, r.txt_08, r.txt_09, r.txt_10, r.ts_01, r.ts_02, r.ts_03, r.ts_04,
  r.ts_05, r.ts_06, r.ref_01, r.ref_02, r.ref_03, r.ref_04);

-- derived
UPDATE records.companies AS t SET (name_folded, legal_name_folded, annual_revenue_minor, annual_revenue_currency, num_01, num_02, num_03, num_04,
  num_05, num_06, num_07, num_08, num_09, num_10, txt_01, txt_02, txt_03, txt_04, txt_05, txt_06, txt_07, txt_08,
  txt_09, txt_10, ts_01, ts_02, ts_03, ts_04, ts_05, ts_06, ref_01, ref_02, ref_03, ref_04)
= ROW(r.name_folded, r.legal_name_folded, r.annual_revenue_minor, r.annual_revenue_currency, r.num_01, r.num_02,
  r.num_03, r.num_04, r.num_05, r.num_06, r.num_07, r.num_08, r.num_09, r.num_10, r.txt_01, r.txt_02, r.txt_03,
  r.txt_04, r.txt_05, r.txt_06, r.txt_07, r.txt_08, r.txt_09, r.txt_10, r.ts_01, r.ts_02, r.ts_03, r.ts_04,
  r.ts_05, r.ts_06, r.ref_01, r.ref_02, r.ref_03, r.ref_04)
FROM jsonb_populate_recordset(NULL::records.companies, $2) AS r
WHERE t.tenant_id = $1 AND t.id = r.id AND t.version = r.version;

-- reached
SELECT t.id FROM records.companies AS t
WHERE t.tenant_id = $1 AND t.id = ANY($2) AND t.deleted_at IS NULL
  AND ($3 OR t.owner_id = ANY($4) OR t.team_id = ANY($5));

-- named
SELECT t.id, CASE WHEN ($3 OR t.owner_id = ANY($4) OR t.team_id = ANY($5)) THEN t.name END, t.deleted_at IS NOT NULL
FROM records.companies AS t WHERE t.tenant_id = $1 AND t.id = ANY($2);

-- lock_all
SELECT t.id AS _id, t.version AS _version, t.owner_id AS _owner_id, t.team_id AS _team_id, t.version, t.created_at, t.created_by,
  t.updated_at, t.updated_by, t.deleted_at, t.source, t.owner_id, t.team_id, t.external_ids, t.tags, t.name,
  t.legal_name, t.domains, t.parent_id, t.industry, t.employee_count, t.annual_revenue, t.phones, t.addresses,
  t.tax_id, t.description, t.lifecycle, t.last_activity_at, t.custom
FROM records.companies AS t WHERE t.tenant_id = $1 AND t.id = ANY($2) ORDER BY t.id
FOR UPDATE OF t;

-- doomed
SELECT t.id, t.deleted_by FROM records.companies AS t
WHERE t.tenant_id = $1 AND t.id = ANY($2) AND t.deleted_at < $3 ORDER BY t.id
FOR UPDATE OF t;

-- purge
DELETE FROM records.companies AS t
WHERE t.tenant_id = $1 AND t.id = ANY($2)
RETURNING t.id, t.version, t.owner_id, t.team_id, t.deleted_by;

-- touch
UPDATE records.companies AS t
SET version = r.version, updated_at = r.updated_at, updated_by = r.updated_by
FROM jsonb_populate_recordset(NULL::records.companies, $2) AS r
WHERE t.tenant_id = $1 AND t.id = r.id;

-- standard
UPDATE records.companies AS t SET (version, updated_at, updated_by, owner_id, team_id, external_ids, tags, name, name_folded, legal_name, legal_name_folded, domains, parent_id,
  industry, employee_count, annual_revenue, annual_revenue_minor, annual_revenue_currency, phones, addresses,
  tax_id, description, lifecycle)
= ROW(r.version, r.updated_at, r.updated_by, r.owner_id, r.team_id, COALESCE(r.external_ids, '{}'::jsonb), COALESCE(r.tags, '{}'::text[]), r.name,
  r.name_folded, r.legal_name, r.legal_name_folded, COALESCE(r.domains, '{}'::text[]), r.parent_id, r.industry,
  r.employee_count, r.annual_revenue, r.annual_revenue_minor, r.annual_revenue_currency,
  COALESCE(r.phones, '[]'::jsonb), COALESCE(r.addresses, '[]'::jsonb), r.tax_id, r.description, r.lifecycle)
FROM jsonb_populate_recordset(NULL::records.companies, $2) AS r
WHERE t.tenant_id = $1 AND t.id = r.id;

-- gone
SELECT asked.id FROM unnest($2::uuid[]) AS asked (id)
WHERE NOT EXISTS (SELECT FROM records.companies AS t WHERE t.tenant_id = $1 AND t.id = asked.id);

-- above
WITH RECURSIVE line (id, parent_id, passed) AS (
  SELECT t.id, t.parent_id, 1 FROM records.companies AS t WHERE t.tenant_id = $1 AND t.id = $2
  UNION ALL
  SELECT t.id, t.parent_id, line.passed + 1
  FROM line JOIN records.companies AS t ON t.tenant_id = $1 AND t.id = line.parent_id
  WHERE line.id <> $3 AND line.passed < $4)
SELECT coalesce(bool_or(line.id = $3), false), coalesce(array_agg(line.id), '{}') FROM line;

-- holders of parent_id
SELECT t.id FROM unnest($2::uuid[]) AS named (id) CROSS JOIN LATERAL (
  SELECT n.id FROM records.companies AS n
  WHERE n.tenant_id = $1 AND n.parent_id = named.id AND n.id > $3 ORDER BY n.id LIMIT $4) AS t
ORDER BY t.id LIMIT $4;

-- rewrite parent_id
UPDATE records.companies AS t
SET version = r.version, updated_at = r.updated_at, updated_by = r.updated_by, parent_id = r.parent_id
FROM jsonb_populate_recordset(NULL::records.companies, $2) AS r
WHERE t.tenant_id = $1 AND t.id = r.id;

