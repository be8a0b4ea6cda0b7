DROP FUNCTION notifications.journal_maintain(interval);
DROP TABLE notifications.journal;
DROP TABLE notifications.journal_head;
