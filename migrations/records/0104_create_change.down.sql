-- phase: expand
DROP TABLE records.change;
