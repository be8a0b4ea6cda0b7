-- phase: expand
DROP TABLE records.purge_due;
