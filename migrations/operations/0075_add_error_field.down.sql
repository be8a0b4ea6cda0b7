-- phase: contract
ALTER TABLE {{schema}}.operation_error DROP COLUMN field;
