-- phase: contract
DROP INDEX {{schema}}.operation_owner;
