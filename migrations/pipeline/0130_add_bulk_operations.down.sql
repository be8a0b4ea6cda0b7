-- phase: contract
ALTER TABLE pipeline.operation DROP CONSTRAINT operation_kind_check;
