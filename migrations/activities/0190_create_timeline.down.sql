DROP TABLE activities.timeline_entry;
DROP TABLE activities.timeline_event;
