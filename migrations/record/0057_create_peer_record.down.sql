-- phase: expand
DROP TABLE {{schema}}.peer_record;
