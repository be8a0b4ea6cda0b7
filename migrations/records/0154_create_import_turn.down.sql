-- phase: expand
DROP TABLE records.import_turn;
