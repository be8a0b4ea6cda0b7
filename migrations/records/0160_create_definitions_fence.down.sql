-- phase: expand
DROP TABLE records.definitions_fence;
