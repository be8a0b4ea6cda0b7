-- phase: contract
ALTER TABLE {{schema}}.relay_lease DROP COLUMN counted;
