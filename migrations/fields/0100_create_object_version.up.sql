-- phase: expand
-- One row per tenant and object. Every change of a definition updates it first, so it is both the version that owners of
-- records compare and the lock under which keys, ordinals and slots are given out.
CREATE TABLE fields.object_version (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL CHECK (object <> ''),
    version bigint NOT NULL CHECK (version > 0),
    -- Never goes back: an ordinal is a bit of field masks and must not change its meaning.
    next_ordinal integer NOT NULL CHECK (next_ordinal >= 0),
    PRIMARY KEY (tenant_id, object)
);
SELECT fields.protect('object_version', 0);
REVOKE DELETE ON fields.object_version FROM globcrm_fields_app;
