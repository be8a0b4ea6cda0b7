-- phase: expand
DROP TABLE records.derived_check;
