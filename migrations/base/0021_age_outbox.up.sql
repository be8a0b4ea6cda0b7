-- phase: expand
-- What is sent and older than retention leaves the outbox also where a partition never fills: events hold personal data.
-- Only what the broker took (relay_sent) goes, whatever the age of the rest, and its numbers are forgotten with it: should one be
-- drawn again, after a sequence was set back, it counts as unsent. A partition that is full, old and sent goes as a whole. A call
-- is worth 20,000 rows, a dropped partition counts as 10,000; a result of 20,000 or more says that there may be more to do.
-- Rows are reached by their partition: the owner sees none through the parent's row-level security.
CREATE OR REPLACE FUNCTION {{schema}}.outbox_maintain(retention interval) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    width constant bigint := 1000000;
    most constant integer := 20000;
    old constant timestamptz := clock_timestamp() - retention;
    done integer := 0;
    gone integer;
    reached bigint;
    low bigint;
    oldest bigint;
    least_seq bigint;
    keep boolean;
    name text;
    emptied text[] := '{}';
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
            IF done < most AND part.n < reached AND (part.n + 1) * width <= low THEN
                EXECUTE format('SELECT EXISTS (SELECT FROM {{schema}}.%I WHERE recorded_at >= $1)', part.relname)
                    INTO keep USING old;
                IF NOT keep THEN
                    EXECUTE format('SELECT EXISTS (SELECT FROM {{schema}}.%I AS o
                                        LEFT JOIN {{schema}}.relay_sent AS s ON s.lane = o.lane AND s.bucket = o.seq / 1024
                                        WHERE NOT coalesce(s.sent @> o.seq, false))', part.relname)
                        INTO keep;
                END IF;
                IF NOT keep THEN
                    emptied := emptied || part.relname::text;
                    DELETE FROM {{schema}}.relay_sent AS s
                    WHERE s.lane = l AND s.bucket > part.n * width / 1024 AND s.bucket < (part.n + 1) * width / 1024;
                    done := done + 10000;
                    CONTINUE;
                END IF;
            END IF;
            IF done < most THEN
                EXECUTE format('WITH aged AS (
                                    SELECT o.ctid AS place FROM {{schema}}.%1$I AS o
                                    JOIN {{schema}}.relay_sent AS s ON s.lane = o.lane AND s.bucket = o.seq / 1024
                                    WHERE o.lane = $1 AND o.recorded_at < $2 AND s.sent @> o.seq LIMIT $3),
                                gone AS (
                                    DELETE FROM {{schema}}.%1$I AS o USING aged WHERE o.ctid = aged.place RETURNING o.seq),
                                forgotten AS (
                                    UPDATE {{schema}}.relay_sent AS s SET sent = s.sent - g.seqs
                                    FROM (SELECT seq / 1024 AS bucket, range_agg(int8range(seq, seq, ''[]'')) AS seqs
                                          FROM gone GROUP BY 1) AS g
                                    WHERE s.lane = $1 AND s.bucket = g.bucket)
                                SELECT count(*) FROM gone', part.relname)
                    INTO gone USING l, old, most - done;
                done := done + gone;
            END IF;
            EXECUTE format('SELECT min(seq) FROM {{schema}}.%I WHERE lane = $1', part.relname) INTO least_seq USING l;
            oldest := LEAST(oldest, least_seq);
        END LOOP;
        -- Nothing that is kept is down there.
        DELETE FROM {{schema}}.relay_sent AS s WHERE s.lane = l AND s.bucket < oldest / 1024;
    END LOOP;
    -- Last, as it locks out every writer until the transaction ends.
    FOREACH name IN ARRAY emptied LOOP
        EXECUTE format('DROP TABLE {{schema}}.%I', name);
    END LOOP;
    RETURN done;
END $$;
