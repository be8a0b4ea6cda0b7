DROP FUNCTION {{schema}}.inbox_maintain(interval);
DROP TABLE {{schema}}.dead_event;
DROP TABLE {{schema}}.inbox_retry;
DROP SEQUENCE {{schema}}.inbox_position;
DROP TABLE {{schema}}.inbox;
