-- phase: contract
ALTER TABLE records.operation
    DROP COLUMN after_id,
    DROP CONSTRAINT operation_kind_check,
    ADD CONSTRAINT operation_kind_check CHECK (kind IN ('import'));
