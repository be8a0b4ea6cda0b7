DROP TABLE {{schema}}.operation_error;
DROP TABLE {{schema}}.operation;
