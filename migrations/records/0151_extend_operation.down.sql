-- phase: expand
DROP INDEX records.operation_upload;
ALTER TABLE records.operation DROP COLUMN upload_id, DROP CONSTRAINT operation_kind_check;
