-- phase: expand
DROP TABLE {{schema}}.heard;
