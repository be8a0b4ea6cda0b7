-- phase: contract
DROP TABLE {{schema}}.bulk_record;
ALTER TABLE {{schema}}.operation DROP COLUMN undone_by;
ALTER TABLE {{schema}}.operation_error DROP COLUMN record_id;
