DROP TABLE records.operation_error;
DROP TABLE records.operation;
