-- phase: contract
DROP TRIGGER note_trashed ON pipeline.deals;
DROP FUNCTION pipeline.note_trashed_deal();
DROP TABLE pipeline.deal_trash;
DROP INDEX pipeline.stage_entry_closed_at;
DROP INDEX pipeline.stage_entry_created_at;
ALTER TABLE pipeline.stage_entry DROP COLUMN again_at, DROP COLUMN left_to, DROP COLUMN created_here, DROP COLUMN created_at,
    DROP COLUMN closed_at, DROP COLUMN status;
