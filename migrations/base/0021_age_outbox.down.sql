-- phase: contract
CREATE OR REPLACE FUNCTION {{schema}}.outbox_maintain(retention interval) RETURNS integer
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
