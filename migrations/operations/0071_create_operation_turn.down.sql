-- phase: expand
DROP TABLE {{schema}}.operation_turn;
