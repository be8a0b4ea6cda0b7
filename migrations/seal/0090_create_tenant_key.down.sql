-- phase: contract
DROP TABLE {{schema}}.tenant_key;
