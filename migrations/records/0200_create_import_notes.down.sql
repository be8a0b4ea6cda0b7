-- phase: contract
DROP TABLE records.import_record;
DROP TABLE records.import_mark;
