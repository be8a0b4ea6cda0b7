-- phase: expand
-- What is sent and older than retention leaves the outbox also where a partition never fills: events hold personal data.
-- Only what the broker took (relay_sent) goes, whatever the age of the rest. At most 20,000 rows are deleted by a call, the
-- result then says so; a partition that is full, old and sent goes as a whole.
-- Rows are reached by their partition: the owner sees none through the parent's row-level security.
CREATE OR REPLACE FUNCTION {{schema}}.outbox_maintain(retention interval) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    width constant bigint := 1000000;
    most constant integer := 20000;
    old constant timestamptz := clock_timestamp() - retention;
    changed integer := 0;
    deleted integer := 0;
    gone integer;
    reached bigint;
    low bigint;
    oldest bigint;
    least_seq bigint;
    keep boolean;
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
        oldest := low;
        FOR part IN
            SELECT c.relname, CASE WHEN c.relname <> 'outbox_default' THEN split_part(c.relname, '_', 3)::bigint END AS n
            FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = '{{schema}}.outbox'::regclass
                AND (c.relname ~ format('^outbox_%s_[0-9]+$', l) OR c.relname = 'outbox_default')
            ORDER BY 2 NULLS LAST
        LOOP
            IF part.n < reached AND (part.n + 1) * width <= low THEN
                EXECUTE format('SELECT EXISTS (SELECT FROM {{schema}}.%I WHERE recorded_at >= $1)', part.relname)
                    INTO keep USING old;
                IF NOT keep THEN
                    EXECUTE format('SELECT EXISTS (SELECT FROM {{schema}}.%I AS o
                                        LEFT JOIN {{schema}}.relay_sent AS s ON s.lane = o.lane AND s.bucket = o.seq / 1024
                                        WHERE NOT coalesce(s.sent @> o.seq, false))', part.relname)
                        INTO keep;
                END IF;
                IF NOT keep THEN
                    EXECUTE format('DROP TABLE {{schema}}.%I', part.relname);
                    changed := changed + 1;
                    CONTINUE;
                END IF;
            END IF;
            IF deleted < most THEN
                EXECUTE format('WITH gone AS (
                                    SELECT o.ctid AS place FROM {{schema}}.%1$I AS o
                                    JOIN {{schema}}.relay_sent AS s ON s.lane = o.lane AND s.bucket = o.seq / 1024
                                    WHERE o.lane = $1 AND o.recorded_at < $2 AND s.sent @> o.seq LIMIT $3)
                                DELETE FROM {{schema}}.%1$I AS o USING gone WHERE o.ctid = gone.place', part.relname)
                    USING l, old, most - deleted;
                GET DIAGNOSTICS gone = ROW_COUNT;
                deleted := deleted + gone;
            END IF;
            EXECUTE format('SELECT min(seq) FROM {{schema}}.%I WHERE lane = $1', part.relname) INTO least_seq USING l;
            oldest := LEAST(oldest, least_seq);
        END LOOP;
        -- Nothing that is kept is down there.
        DELETE FROM {{schema}}.relay_sent AS s WHERE s.lane = l AND s.bucket < oldest / 1024;
    END LOOP;
    RETURN changed + deleted;
END $$;
