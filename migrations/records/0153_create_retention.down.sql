-- phase: expand
REVOKE ALL ON records.upload FROM globcrm_records_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON records.upload TO globcrm_records_worker;
DROP POLICY worker_sees ON records.upload;
DROP INDEX records.upload_content;
DROP INDEX records.upload_created_at;
DROP INDEX records.operation_over;
DROP INDEX records.operation_upload;
ALTER TABLE records.operation DROP COLUMN purged_at, DROP COLUMN upload_id;
