-- phase: expand
-- By which the dead events of each consumer are counted (libs/events, metrics).
CREATE INDEX dead_event_consumer ON {{schema}}.dead_event (consumer, died_at);
