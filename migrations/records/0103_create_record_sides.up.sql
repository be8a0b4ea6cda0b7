-- phase: expand
-- What records of every object have beside their row; `object` is the object's name in the singular.

-- Tags, for filters; `tag_folded` is the search key.
CREATE TABLE records.record_tag (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    record_id uuid NOT NULL,
    tag text COLLATE "C" NOT NULL,
    tag_folded text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, record_id, tag)
) PARTITION BY HASH (tenant_id);
ALTER TABLE records.record_tag ENABLE ROW LEVEL SECURITY;
ALTER TABLE records.record_tag FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON records.record_tag TO globcrm_records_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
-- A partition can be named in a query of its own, so each carries the policy of its parent.
DO $$
BEGIN
    FOR i IN 0..7 LOOP
        EXECUTE format('CREATE TABLE records.record_tag_p%s PARTITION OF records.record_tag FOR VALUES WITH (MODULUS 8, REMAINDER %s)', i, i);
        EXECUTE format('ALTER TABLE records.record_tag_p%s ENABLE ROW LEVEL SECURITY', i);
        EXECUTE format('ALTER TABLE records.record_tag_p%s FORCE ROW LEVEL SECURITY', i);
        EXECUTE format('CREATE POLICY tenant ON records.record_tag_p%s TO globcrm_records_app
            USING (tenant_id = (SELECT current_setting(''app.tenant''))::uuid)
            WITH CHECK (tenant_id = (SELECT current_setting(''app.tenant''))::uuid)', i);
    END LOOP;
END
$$;
CREATE INDEX record_tag_tag ON records.record_tag (tenant_id, tag, record_id);
CREATE INDEX record_tag_folded ON records.record_tag (tenant_id, tag_folded, record_id);

-- The ids of records in other systems; one live record per system and id.
CREATE TABLE records.external_id (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    system text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    record_id uuid NOT NULL,
    live boolean NOT NULL,
    PRIMARY KEY (tenant_id, record_id, system)
);
ALTER TABLE records.external_id ENABLE ROW LEVEL SECURITY;
ALTER TABLE records.external_id FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON records.external_id TO globcrm_records_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
CREATE UNIQUE INDEX external_id_taken ON records.external_id (tenant_id, object, system, external_id) WHERE live;

-- The values of unique custom fields, by the SHA-256 of their canonical JSON so that every value fits the index.
CREATE TABLE records.custom_unique (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    field_id uuid NOT NULL,
    value bytea NOT NULL,
    record_id uuid NOT NULL,
    live boolean NOT NULL,
    PRIMARY KEY (tenant_id, record_id, field_id)
) PARTITION BY HASH (tenant_id);
ALTER TABLE records.custom_unique ENABLE ROW LEVEL SECURITY;
ALTER TABLE records.custom_unique FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON records.custom_unique TO globcrm_records_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
-- A partition can be named in a query of its own, so each carries the policy of its parent.
DO $$
BEGIN
    FOR i IN 0..7 LOOP
        EXECUTE format('CREATE TABLE records.custom_unique_p%s PARTITION OF records.custom_unique FOR VALUES WITH (MODULUS 8, REMAINDER %s)', i, i);
        EXECUTE format('ALTER TABLE records.custom_unique_p%s ENABLE ROW LEVEL SECURITY', i);
        EXECUTE format('ALTER TABLE records.custom_unique_p%s FORCE ROW LEVEL SECURITY', i);
        EXECUTE format('CREATE POLICY tenant ON records.custom_unique_p%s TO globcrm_records_app
            USING (tenant_id = (SELECT current_setting(''app.tenant''))::uuid)
            WITH CHECK (tenant_id = (SELECT current_setting(''app.tenant''))::uuid)', i);
    END LOOP;
END
$$;
CREATE UNIQUE INDEX custom_unique_taken ON records.custom_unique (tenant_id, object, field_id, value) WHERE live;
