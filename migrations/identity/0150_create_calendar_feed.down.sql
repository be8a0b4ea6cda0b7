DROP TABLE identity.calendar_feed;
