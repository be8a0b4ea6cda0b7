-- phase: contract
DROP INDEX {{schema}}.dead_event_consumer;
