-- phase: expand
-- The journal: every event of a tenant under its number, without gaps (services/notifications/src/journal, ADR 0021).

-- The number of each tenant's newest event, and when that was written down. Who writes an event raises it in the same transaction, so its
-- row lock makes one writer at a time, and a number that was not committed is given out again. Half of each page is left for new versions of
-- its rows.
CREATE TABLE notifications.journal_head (
    tenant_id uuid NOT NULL,
    last bigint NOT NULL CHECK (last > 0),
    written_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id)
) WITH (fillfactor = 50);
SELECT notifications.protect('journal_head', 0);
REVOKE DELETE ON notifications.journal_head FROM globcrm_notifications_app;

-- What happened, without a value of any record: who may see what is decided when it is read, by the service that keeps the record. By day of
-- writing, which never goes back from one number of a tenant to the next.
CREATE TABLE notifications.journal (
    tenant_id uuid NOT NULL,
    number bigint NOT NULL,
    written_at timestamptz NOT NULL,
    event_id uuid NOT NULL,
    type text COLLATE "C" NOT NULL,
    object text COLLATE "C" NOT NULL,
    record_id uuid NOT NULL,
    version bigint NOT NULL,
    actor_kind text COLLATE "C",
    actor_id uuid NOT NULL,
    happened_at timestamptz NOT NULL,
    -- The names of the fields that changed.
    fields text[] NOT NULL,
    -- Whose the record is after the change, and whose it was before it. Whoever could see it only before must forget it.
    owner_id uuid,
    team_id uuid,
    owner_before uuid,
    team_before uuid,
    -- The event says that the owner or the team is another, and not which one it was: its values were too large.
    before_unknown boolean NOT NULL,
    PRIMARY KEY (tenant_id, number, written_at)
) PARTITION BY RANGE (written_at);
-- Catches what is written on a day that has no partition.
CREATE TABLE notifications.journal_default PARTITION OF notifications.journal DEFAULT;
REVOKE ALL ON notifications.journal_default FROM globcrm_notifications_app, globcrm_notifications_worker;
SELECT notifications.protect('journal', 0);
-- Append-only: what was told stays told.
REVOKE UPDATE, DELETE ON notifications.journal FROM globcrm_notifications_app;

-- Makes the partitions of this day and the seven after it, and drops those whose newest row is older than retention. Gives how many were made
-- and dropped. A day whose rows are in the default partition already gets none; they go by age as well.
CREATE FUNCTION notifications.journal_maintain(retention interval) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    day timestamptz;
    changed integer := 0;
    name text;
    part record;
BEGIN
    PERFORM set_config('lock_timeout', '1000', true), set_config('timezone', 'UTC', true);
    FOR n IN 0..7 LOOP
        day := date_trunc('day', clock_timestamp()) + make_interval(days => n);
        name := 'journal_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass('notifications.' || name) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE TABLE notifications.%I (LIKE notifications.journal INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', name);
            EXECUTE format('REVOKE ALL ON notifications.%I FROM globcrm_notifications_app, globcrm_notifications_worker', name);
            EXECUTE format('ALTER TABLE notifications.journal ATTACH PARTITION notifications.%I FOR VALUES FROM (%L) TO (%L)',
                           name, day, day + make_interval(days => 1));
            changed := changed + 1;
        EXCEPTION WHEN check_violation THEN
            RAISE WARNING 'the default partition of the journal has rows of %', day;
        END;
    END LOOP;
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'notifications.journal'::regclass AND c.relname ~ '^journal_[0-9]{8}$'
    LOOP
        CONTINUE WHEN to_date(right(part.relname, 8), 'YYYYMMDD') + make_interval(days => 1) > clock_timestamp() - retention;
        EXECUTE format('DROP TABLE notifications.%I', part.relname);
        changed := changed + 1;
    END LOOP;
    -- The partition itself has no policies, so the owner sees its rows.
    DELETE FROM notifications.journal_default WHERE written_at < clock_timestamp() - retention;
    RETURN changed;
END $$;
REVOKE ALL ON FUNCTION notifications.journal_maintain(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION notifications.journal_maintain(interval) TO globcrm_notifications_worker;
SELECT notifications.journal_maintain('31 days');
