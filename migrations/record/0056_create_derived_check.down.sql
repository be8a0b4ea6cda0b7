-- phase: expand
DROP TABLE {{schema}}.derived_check;
