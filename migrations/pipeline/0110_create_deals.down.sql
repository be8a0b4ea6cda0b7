DROP TABLE pipeline.stage_mapping;
DROP TABLE pipeline.stage_entry;
DROP TABLE pipeline.deal_contact;
SELECT pipeline.drop_record_table('deals');
DROP FUNCTION pipeline.count_new_deals();
DROP FUNCTION pipeline.count_changed_deals();
DROP FUNCTION pipeline.count_purged_deals();
DROP FUNCTION pipeline.fold_deal_totals(uuid, uuid[]);
DROP TABLE pipeline.deal_total;
