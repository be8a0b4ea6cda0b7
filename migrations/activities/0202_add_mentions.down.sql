-- phase: contract
DROP TABLE activities.note_mention;
ALTER TABLE activities.notes DROP COLUMN mentions;
