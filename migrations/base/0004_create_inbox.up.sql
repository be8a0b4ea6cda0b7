-- phase: expand
-- What a consumer has applied, what it will try again and what it gave up (libs/events, consumer.rs and dead.rs).

-- By month of the event id, which is a UUIDv7 and so begins with its time: a redelivery meets the row of its first
-- delivery however late it comes.
CREATE TABLE {{schema}}.inbox (
    tenant_id uuid NOT NULL,
    consumer text COLLATE "C" NOT NULL,
    event_id uuid NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, event_id)
) PARTITION BY RANGE (event_id);
CREATE TABLE {{schema}}.inbox_default PARTITION OF {{schema}}.inbox DEFAULT;
REVOKE ALL ON {{schema}}.inbox_default FROM globcrm_{{schema}}_app, globcrm_{{schema}}_worker;
REVOKE UPDATE ON {{schema}}.inbox FROM globcrm_{{schema}}_app;

-- The order of arrival of parked events; a replayed one gets its old place back.
CREATE SEQUENCE {{schema}}.inbox_position AS bigint;

-- Events that wait: the first of a record (lowest position) for its next attempt, the others behind it.
CREATE TABLE {{schema}}.inbox_retry (
    tenant_id uuid NOT NULL,
    consumer text COLLATE "C" NOT NULL,
    event_id uuid NOT NULL,
    record_id uuid NOT NULL,
    position bigint NOT NULL DEFAULT nextval('{{schema}}.inbox_position'),
    type text COLLATE "C" NOT NULL,
    envelope bytea NOT NULL,
    attempts integer NOT NULL,
    parked_at timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    last_error text NOT NULL,
    PRIMARY KEY (tenant_id, consumer, event_id)
);
CREATE UNIQUE INDEX inbox_retry_record ON {{schema}}.inbox_retry (tenant_id, consumer, record_id, position);
CREATE INDEX inbox_retry_due ON {{schema}}.inbox_retry (consumer, next_at);

-- Events given up: later ones of the same record wait until this is replayed or discarded. record_id is null when the
-- bytes could not be read (tenant_id is then the nil UUID: the operator's).
CREATE TABLE {{schema}}.dead_event (
    tenant_id uuid NOT NULL,
    consumer text COLLATE "C" NOT NULL,
    event_id uuid NOT NULL,
    record_id uuid,
    position bigint NOT NULL DEFAULT nextval('{{schema}}.inbox_position'),
    type text COLLATE "C" NOT NULL,
    envelope bytea NOT NULL,
    attempts integer NOT NULL,
    last_error text NOT NULL,
    died_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, consumer, event_id)
);
CREATE INDEX dead_event_record ON {{schema}}.dead_event (tenant_id, consumer, record_id);

SELECT {{schema}}.protect('inbox', 0);
SELECT {{schema}}.protect('inbox_retry', 0);
CREATE POLICY worker ON {{schema}}.inbox_retry FOR SELECT TO globcrm_{{schema}}_worker USING (true);
GRANT SELECT ON {{schema}}.inbox_retry TO globcrm_{{schema}}_worker;
SELECT {{schema}}.protect('dead_event', 0);
CREATE POLICY worker_read ON {{schema}}.dead_event FOR SELECT TO globcrm_{{schema}}_worker USING (true);
-- The worker gives up only what belongs to no tenant: bytes that could not be read.
CREATE POLICY worker_write ON {{schema}}.dead_event FOR INSERT TO globcrm_{{schema}}_worker
    WITH CHECK (tenant_id = '00000000-0000-0000-0000-000000000000');
GRANT SELECT, INSERT ON {{schema}}.dead_event TO globcrm_{{schema}}_worker;

-- Makes the partitions of this month and the three after it, and drops those older than retention.
CREATE FUNCTION {{schema}}.inbox_maintain(retention interval) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    month timestamptz;
    -- The smallest UUIDv7 of a month's first millisecond is above the bound made of its time alone.
    bound constant text := 'SELECT (lpad(to_hex((extract(epoch FROM $1) * 1000)::bigint), 12, ''0'') || repeat(''0'', 20))::uuid';
    first uuid;
    past uuid;
    changed integer := 0;
    name text;
    part record;
BEGIN
    PERFORM set_config('lock_timeout', '1000', true), set_config('timezone', 'UTC', true);
    FOR m IN 0..3 LOOP
        month := date_trunc('month', clock_timestamp()) + make_interval(months => m);
        name := 'inbox_' || to_char(month, 'YYYYMM');
        CONTINUE WHEN to_regclass('{{schema}}.' || name) IS NOT NULL;
        EXECUTE bound INTO first USING month;
        EXECUTE bound INTO past USING month + make_interval(months => 1);
        EXECUTE format('CREATE TABLE {{schema}}.%I (LIKE {{schema}}.inbox INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', name);
        EXECUTE format('REVOKE ALL ON {{schema}}.%I FROM globcrm_{{schema}}_app, globcrm_{{schema}}_worker', name);
        EXECUTE format('ALTER TABLE {{schema}}.inbox ATTACH PARTITION {{schema}}.%I FOR VALUES FROM (%L) TO (%L)', name, first, past);
        changed := changed + 1;
    END LOOP;
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = '{{schema}}.inbox'::regclass AND c.relname ~ '^inbox_[0-9]{6}$'
    LOOP
        CONTINUE WHEN to_date(right(part.relname, 6), 'YYYYMM') + make_interval(months => 1) > clock_timestamp() - retention;
        EXECUTE format('DROP TABLE {{schema}}.%I', part.relname);
        changed := changed + 1;
    END LOOP;
    RETURN changed;
END $$;
REVOKE ALL ON FUNCTION {{schema}}.inbox_maintain(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {{schema}}.inbox_maintain(interval) TO globcrm_{{schema}}_worker;
SELECT {{schema}}.inbox_maintain('31 days');
