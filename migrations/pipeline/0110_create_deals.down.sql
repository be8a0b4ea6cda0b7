DROP TABLE pipeline.stage_mapping;
DROP TABLE pipeline.stage_entry;
DROP TABLE pipeline.deal_contact;
SELECT pipeline.drop_record_table('deals');
