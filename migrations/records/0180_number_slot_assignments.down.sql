-- phase: contract
ALTER TABLE records.operation DROP COLUMN slot_assignment;
