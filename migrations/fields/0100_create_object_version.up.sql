-- phase: expand
-- One row per tenant and object. Every change of a definition updates it first, so it is both the version that owners of
-- records compare and the lock under which keys, ordinals and slots are given out.
CREATE TABLE fields.object_version (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL CHECK (object IN ('contact', 'company')),
    version bigint NOT NULL CHECK (version > 0),
    -- Never goes back: an ordinal is a bit of field masks and must not change its meaning.
    next_ordinal integer NOT NULL CHECK (next_ordinal >= 0),
    PRIMARY KEY (tenant_id, object)
);
ALTER TABLE fields.object_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE fields.object_version FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON fields.object_version TO globcrm_fields_app
    USING (tenant_id = (SELECT current_setting('app.tenant'))::uuid)
    WITH CHECK (tenant_id = (SELECT current_setting('app.tenant'))::uuid);
REVOKE DELETE ON fields.object_version FROM globcrm_fields_app;
REVOKE ALL ON fields.object_version FROM globcrm_fields_worker;
