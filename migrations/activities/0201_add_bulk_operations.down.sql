-- phase: contract
ALTER TABLE activities.operation DROP CONSTRAINT operation_kind_check;
