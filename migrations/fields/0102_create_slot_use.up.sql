-- phase: expand
-- Which field lives in which slot column. A slot without a row is free; a row goes only after the records' column was
-- cleared in the background, so two fields never share what is left in a column.
CREATE TABLE fields.slot_use (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    slot text COLLATE "C" NOT NULL,
    field_id uuid NOT NULL,
    -- clearing: the field is archived; the slot is neither free nor in use.
    state text COLLATE "C" NOT NULL CHECK (state IN ('used', 'clearing')),
    PRIMARY KEY (tenant_id, object, slot),
    CONSTRAINT slot_use_field UNIQUE (tenant_id, field_id),
    CONSTRAINT slot_use_definition FOREIGN KEY (tenant_id, field_id) REFERENCES fields.field_definition (tenant_id, id)
);
SELECT fields.protect('slot_use', 0);
REVOKE DELETE ON fields.slot_use FROM globcrm_fields_app;
