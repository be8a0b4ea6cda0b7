-- phase: expand
ALTER TABLE records.operation DROP COLUMN detected;
