-- phase: expand
-- The outbox and the state of its relay (libs/events, outbox.rs and relay.rs). A template: every schema has its own.
--
-- Each lane has a sequence, a cursor and partitions of its own, so that the relay reads each without seeing the other's
-- numbers as holes. No CACHE on the sequences: a cached number would be drawn by a transaction long before it is used.
CREATE SEQUENCE {{schema}}.outbox_seq_0 AS bigint MINVALUE 1 CACHE 1 NO CYCLE;
CREATE SEQUENCE {{schema}}.outbox_seq_1 AS bigint MINVALUE 1 CACHE 1 NO CYCLE;

-- The hole rule: the transaction id first, the number second. Two statements of PL/pgSQL cannot change places.
CREATE FUNCTION {{schema}}.outbox_next(lane smallint) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_current_xact_id();
    IF lane = 0 THEN
        RETURN nextval('{{schema}}.outbox_seq_0');
    END IF;
    RETURN nextval('{{schema}}.outbox_seq_1');
END $$;
REVOKE ALL ON FUNCTION {{schema}}.outbox_next(smallint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {{schema}}.outbox_next(smallint) TO globcrm_{{schema}}_app;

CREATE TABLE {{schema}}.outbox (
    lane smallint NOT NULL CHECK (lane IN (0, 1)),
    seq bigint NOT NULL,
    part smallint NOT NULL,
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    type text COLLATE "C" NOT NULL,
    record_id uuid NOT NULL,
    version bigint NOT NULL,
    envelope bytea NOT NULL,
    traceparent text,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (lane, seq)
) PARTITION BY RANGE (lane, seq);
-- "Since when" for replay, at a few kilobytes for a million rows.
CREATE INDEX outbox_recorded ON {{schema}}.outbox USING brin (recorded_at);
CREATE TABLE {{schema}}.outbox_default PARTITION OF {{schema}}.outbox DEFAULT;

SELECT {{schema}}.protect('outbox', 0);
CREATE POLICY worker ON {{schema}}.outbox FOR SELECT TO globcrm_{{schema}}_worker USING (true);
-- Append-only: no update can rewrite history and no dead tuple can slow the relay.
REVOKE UPDATE, DELETE, TRUNCATE ON {{schema}}.outbox FROM globcrm_{{schema}}_app;
GRANT SELECT ON {{schema}}.outbox TO globcrm_{{schema}}_worker;
REVOKE ALL ON {{schema}}.outbox_default FROM globcrm_{{schema}}_app, globcrm_{{schema}}_worker;

-- One relay at a time; the epoch fences what an earlier one still tries to write.
CREATE TABLE {{schema}}.relay_lease (
    id smallint PRIMARY KEY CHECK (id = 1),
    holder uuid NOT NULL,
    epoch bigint NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 20);
INSERT INTO {{schema}}.relay_lease VALUES (1, '00000000-0000-0000-0000-000000000000', 0, '-infinity');

-- Per lane: everything up to low_watermark is done; up to high all but the holes (first, last, xmax; flat).
CREATE TABLE {{schema}}.relay_cursor (
    lane smallint PRIMARY KEY CHECK (lane IN (0, 1)),
    low_watermark bigint NOT NULL,
    high bigint NOT NULL,
    holes bigint[] NOT NULL
) WITH (fillfactor = 20);
INSERT INTO {{schema}}.relay_cursor VALUES (0, 0, 0, '{}'), (1, 0, 0, '{}');
REVOKE ALL ON {{schema}}.relay_lease, {{schema}}.relay_cursor FROM globcrm_{{schema}}_app;
REVOKE INSERT, DELETE ON {{schema}}.relay_lease, {{schema}}.relay_cursor FROM globcrm_{{schema}}_worker;

-- Makes the next four partitions of each lane and drops those that are sent and older than retention. Called by the relay,
-- which may not do DDL itself. Gives the number of partitions made and dropped.
-- A partition is attached, not created in place: that takes a weaker lock, and appends go on meanwhile.
CREATE FUNCTION {{schema}}.outbox_maintain(retention interval) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    width constant bigint := 1000000;
    changed integer := 0;
    reached bigint;
    low bigint;
    newest timestamptz;
    name text;
    part record;
BEGIN
    PERFORM set_config('lock_timeout', '1000', true);
    FOR l IN 0..1 LOOP
        EXECUTE format('SELECT last_value / %s FROM {{schema}}.outbox_seq_%s', width, l) INTO reached;
        FOR n IN reached .. reached + 4 LOOP
            name := format('outbox_%s_%s', l, n);
            CONTINUE WHEN to_regclass('{{schema}}.' || name) IS NOT NULL;
            EXECUTE format('CREATE TABLE {{schema}}.%I (LIKE {{schema}}.outbox INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', name);
            EXECUTE format('REVOKE ALL ON {{schema}}.%I FROM globcrm_{{schema}}_app, globcrm_{{schema}}_worker', name);
            EXECUTE format('ALTER TABLE {{schema}}.outbox ATTACH PARTITION {{schema}}.%I FOR VALUES FROM (%s, %s) TO (%s, %s)',
                           name, l, n * width, l, (n + 1) * width);
            changed := changed + 1;
        END LOOP;
        SELECT c.low_watermark INTO low FROM {{schema}}.relay_cursor c WHERE c.lane = l;
        FOR part IN
            SELECT c.relname, split_part(c.relname, '_', 3)::bigint AS n
            FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = '{{schema}}.outbox'::regclass AND c.relname ~ format('^outbox_%s_[0-9]+$', l)
        LOOP
            CONTINUE WHEN part.n >= reached OR (part.n + 1) * width > low;
            EXECUTE format('SELECT max(recorded_at) FROM {{schema}}.%I', part.relname) INTO newest;
            CONTINUE WHEN newest > clock_timestamp() - retention;
            EXECUTE format('DROP TABLE {{schema}}.%I', part.relname);
            changed := changed + 1;
        END LOOP;
    END LOOP;
    RETURN changed;
END $$;
REVOKE ALL ON FUNCTION {{schema}}.outbox_maintain(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {{schema}}.outbox_maintain(interval) TO globcrm_{{schema}}_worker;
SELECT {{schema}}.outbox_maintain('7 days');
