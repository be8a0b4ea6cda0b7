DROP TABLE activities.activity_participant;
DROP TABLE activities.activity_link;
SELECT activities.drop_record_table('activities');
DROP FUNCTION activities.refuse_transition();
