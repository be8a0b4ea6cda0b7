-- phase: expand
-- The purge of a record removes what the change log keeps of it; the log of a record that exists stays append-only, and so
-- does that of an object that has no record table here. With its caller's rights: row-level security holds inside too.
CREATE FUNCTION {{schema}}.refuse_forgetting() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of_object text;
    is_gone boolean := false;
BEGIN
    SELECT o.table_name INTO of_object FROM {{schema}}.record_object AS o WHERE o.object = OLD.object;
    IF of_object IS NOT NULL THEN
        EXECUTE format('SELECT NOT EXISTS (SELECT FROM {{schema}}.%I AS t WHERE t.tenant_id = $1 AND t.id = $2)', of_object)
            INTO is_gone USING OLD.tenant_id, OLD.record_id;
    END IF;
    IF NOT is_gone THEN
        RAISE EXCEPTION 'the change log of a record that exists is append-only' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN OLD;
END
$$;
REVOKE ALL ON FUNCTION {{schema}}.refuse_forgetting() FROM PUBLIC;
CREATE TRIGGER change_of_gone BEFORE DELETE ON {{schema}}.change
    FOR EACH ROW EXECUTE FUNCTION {{schema}}.refuse_forgetting();
-- Through the table only: its partitions stay closed.
GRANT DELETE ON {{schema}}.change TO globcrm_{{schema}}_app;
