DROP TABLE identity.cleanup_cursor;
