-- phase: expand
-- The record that an error is about, if rows of the operation are such.
ALTER TABLE {{schema}}.operation_error ADD COLUMN record_id uuid;
-- The operation that takes this one back.
ALTER TABLE {{schema}}.operation ADD COLUMN undone_by uuid;

-- The records of a bulk operation, in its order.
CREATE TABLE {{schema}}.bulk_record (
    tenant_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    record_id uuid NOT NULL,
    -- The version that it must have, or else was changed since: what an undo takes back. Null where any will do.
    expected bigint,
    -- The version that the operation gave it; null until then, and where it gave it none.
    version bigint,
    PRIMARY KEY (tenant_id, operation_id, number),
    FOREIGN KEY (tenant_id, operation_id) REFERENCES {{schema}}.operation (tenant_id, id) ON DELETE CASCADE
);
SELECT {{schema}}.protect('bulk_record', 0);
