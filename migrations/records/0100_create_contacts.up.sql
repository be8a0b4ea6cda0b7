-- phase: expand
-- Contacts. Columns that are filtered or sorted by have leakproof operators only; *_folded hold the search key of their text.
CREATE TABLE records.contacts (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    owner_id uuid,
    team_id uuid,
    source text COLLATE "C" NOT NULL CHECK (source IN ('api', 'import')),
    external_ids jsonb NOT NULL,
    tags text[] NOT NULL,
    first_name text COLLATE "C",
    first_name_folded text COLLATE "C",
    last_name text COLLATE "C",
    last_name_folded text COLLATE "C",
    full_name text COLLATE "C",
    full_name_folded text COLLATE "C",
    job_title text COLLATE "C",
    job_title_folded text COLLATE "C",
    department text COLLATE "C",
    department_folded text COLLATE "C",
    emails jsonb NOT NULL,
    phones jsonb NOT NULL,
    addresses jsonb NOT NULL,
    language text COLLATE "C",
    timezone text COLLATE "C",
    birthday date,
    lifecycle text COLLATE "C" CHECK (lifecycle IN ('lead', 'qualified', 'customer', 'former', 'other')),
    lead_source text COLLATE "C",
    score integer,
    do_not_call boolean NOT NULL,
    do_not_email boolean NOT NULL,
    consents jsonb NOT NULL,
    last_activity_at timestamptz,
    -- Canonical values by the fields' immutable keys.
    custom jsonb NOT NULL,
    -- The indexed form of custom values; which field has which slot stands in the fields service.
    num_01 float8, num_02 float8, num_03 float8, num_04 float8, num_05 float8,
    num_06 float8, num_07 float8, num_08 float8, num_09 float8, num_10 float8,
    txt_01 text COLLATE "C", txt_02 text COLLATE "C", txt_03 text COLLATE "C", txt_04 text COLLATE "C", txt_05 text COLLATE "C",
    txt_06 text COLLATE "C", txt_07 text COLLATE "C", txt_08 text COLLATE "C", txt_09 text COLLATE "C", txt_10 text COLLATE "C",
    ts_01 timestamptz, ts_02 timestamptz, ts_03 timestamptz, ts_04 timestamptz, ts_05 timestamptz, ts_06 timestamptz,
    ref_01 uuid, ref_02 uuid, ref_03 uuid, ref_04 uuid,
    PRIMARY KEY (tenant_id, id),
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL))
) PARTITION BY HASH (tenant_id);
ALTER TABLE records.contacts ENABLE ROW LEVEL SECURITY;
ALTER TABLE records.contacts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON records.contacts TO globcrm_records_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
-- A partition can be named in a query of its own, so each carries the policy of its parent.
DO $$
BEGIN
    FOR i IN 0..7 LOOP
        EXECUTE format('CREATE TABLE records.contacts_p%s PARTITION OF records.contacts FOR VALUES WITH (MODULUS 8, REMAINDER %s)', i, i);
        EXECUTE format('ALTER TABLE records.contacts_p%s ENABLE ROW LEVEL SECURITY', i);
        EXECUTE format('ALTER TABLE records.contacts_p%s FORCE ROW LEVEL SECURITY', i);
        EXECUTE format('CREATE POLICY tenant ON records.contacts_p%s TO globcrm_records_app
            USING (tenant_id = (SELECT current_setting(''app.tenant''))::uuid)
            WITH CHECK (tenant_id = (SELECT current_setting(''app.tenant''))::uuid)', i);
    END LOOP;
END
$$;
-- Lists show live rows; the trash has its own index.
CREATE INDEX contacts_live ON records.contacts (tenant_id, id) WHERE deleted_at IS NULL;
CREATE INDEX contacts_created_at ON records.contacts (tenant_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX contacts_updated_at ON records.contacts (tenant_id, updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX contacts_owner ON records.contacts (tenant_id, owner_id, id) WHERE owner_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX contacts_team ON records.contacts (tenant_id, team_id, id) WHERE team_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX contacts_first_name ON records.contacts (tenant_id, first_name_folded, id) WHERE first_name_folded IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX contacts_last_name ON records.contacts (tenant_id, last_name_folded, id) WHERE last_name_folded IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX contacts_full_name ON records.contacts (tenant_id, full_name_folded, id) WHERE full_name_folded IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX contacts_last_activity_at ON records.contacts (tenant_id, last_activity_at, id) WHERE last_activity_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX contacts_trash ON records.contacts (tenant_id, id) WHERE deleted_at IS NOT NULL;
-- Slots are mostly empty: a partial index costs only the rows that use it (31k against 14k inserted rows/s).
-- A keyset condition does not imply NOT NULL, so queries name it.
DO $$
DECLARE
    slot text;
BEGIN
    FOREACH slot IN ARRAY ARRAY[
        'num_01', 'num_02', 'num_03', 'num_04', 'num_05', 'num_06', 'num_07', 'num_08', 'num_09', 'num_10',
        'txt_01', 'txt_02', 'txt_03', 'txt_04', 'txt_05', 'txt_06', 'txt_07', 'txt_08', 'txt_09', 'txt_10',
        'ts_01', 'ts_02', 'ts_03', 'ts_04', 'ts_05', 'ts_06', 'ref_01', 'ref_02', 'ref_03', 'ref_04'
    ] LOOP
        EXECUTE format('CREATE INDEX contacts_%1$s ON records.contacts (tenant_id, %1$s, id)
            WHERE %1$s IS NOT NULL AND deleted_at IS NULL', slot);
    END LOOP;
END
$$;

-- The addresses of contacts, for filters and for finding duplicates; arrays are never filtered under row-level security.
CREATE TABLE records.contact_email (
    tenant_id uuid NOT NULL,
    address text COLLATE "C" NOT NULL,
    contact_id uuid NOT NULL,
    live boolean NOT NULL,
    PRIMARY KEY (tenant_id, contact_id, address),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES records.contacts ON DELETE CASCADE
) PARTITION BY HASH (tenant_id);
ALTER TABLE records.contact_email ENABLE ROW LEVEL SECURITY;
ALTER TABLE records.contact_email FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON records.contact_email TO globcrm_records_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
-- A partition can be named in a query of its own, so each carries the policy of its parent.
DO $$
BEGIN
    FOR i IN 0..7 LOOP
        EXECUTE format('CREATE TABLE records.contact_email_p%s PARTITION OF records.contact_email FOR VALUES WITH (MODULUS 8, REMAINDER %s)', i, i);
        EXECUTE format('ALTER TABLE records.contact_email_p%s ENABLE ROW LEVEL SECURITY', i);
        EXECUTE format('ALTER TABLE records.contact_email_p%s FORCE ROW LEVEL SECURITY', i);
        EXECUTE format('CREATE POLICY tenant ON records.contact_email_p%s TO globcrm_records_app
            USING (tenant_id = (SELECT current_setting(''app.tenant''))::uuid)
            WITH CHECK (tenant_id = (SELECT current_setting(''app.tenant''))::uuid)', i);
    END LOOP;
END
$$;
CREATE INDEX contact_email_address ON records.contact_email (tenant_id, address, contact_id);
