-- phase: expand
DROP TABLE {{schema}}.change;
