DROP FUNCTION {{schema}}.outbox_maintain(interval);
DROP TABLE {{schema}}.relay_cursor;
DROP TABLE {{schema}}.relay_lease;
DROP TABLE {{schema}}.outbox;
DROP FUNCTION {{schema}}.outbox_next(smallint);
DROP SEQUENCE {{schema}}.outbox_seq_1;
DROP SEQUENCE {{schema}}.outbox_seq_0;
