-- phase: expand
DROP TABLE activities.note_link;
SELECT activities.drop_record_table('notes');
