DROP TABLE records.upload;
