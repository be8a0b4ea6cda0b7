-- phase: expand
DROP TABLE {{schema}}.definitions_fence;
