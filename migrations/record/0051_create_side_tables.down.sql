-- phase: expand
DROP TABLE {{schema}}.custom_unique;
DROP TABLE {{schema}}.external_id;
DROP TABLE {{schema}}.record_tag;
