-- phase: expand
DROP TABLE {{schema}}.purge_due;
