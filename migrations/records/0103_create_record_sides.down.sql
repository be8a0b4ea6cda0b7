-- phase: expand
DROP TABLE records.custom_unique;
DROP TABLE records.external_id;
DROP TABLE records.record_tag;
