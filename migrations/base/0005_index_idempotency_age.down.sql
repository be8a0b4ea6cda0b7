-- phase: contract
DROP INDEX {{schema}}.idempotency_age;
