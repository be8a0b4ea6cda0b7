-- phase: expand
-- Operations of this service are imports, and indexes that are filled.
ALTER TABLE records.operation
    DROP CONSTRAINT operation_kind_check,
    ADD CONSTRAINT operation_kind_check CHECK (kind IN ('import', 'index')),
    -- The last record that an index is filled for.
    ADD COLUMN after_id uuid;
