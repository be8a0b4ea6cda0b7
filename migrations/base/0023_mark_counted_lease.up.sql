-- phase: expand
-- The lease (its epoch) under which every number that the broker takes is written down in relay_sent. During a rolling upgrade a
-- relay of before may lead once more: it takes the lease without this mark, and what it sent is not written down. So whoever
-- takes the lease after it counts what the cursor passed until then as sent (libs/events, relay/store.rs).
ALTER TABLE {{schema}}.relay_lease ADD COLUMN counted bigint NOT NULL DEFAULT -1;
