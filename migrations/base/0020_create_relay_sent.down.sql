-- phase: contract
DROP TABLE {{schema}}.relay_sent;
