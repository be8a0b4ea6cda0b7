-- phase: contract
ALTER TABLE records.upload DROP COLUMN read_at;
