-- phase: expand
-- allow: ban-drop-constraint: it is made again in the same transaction, and lets in more
-- Operations of this service are imports, and indexes that are filled.
ALTER TABLE records.operation
    DROP CONSTRAINT operation_kind_check,
    ADD CONSTRAINT operation_kind_check CHECK (kind IN ('import', 'index')),
    -- The last record that an index is filled for.
    ADD COLUMN after_id uuid;
