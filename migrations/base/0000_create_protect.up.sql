-- phase: expand
-- Closes a tenant table of this schema to everyone but the app role, and to that role all rows but those of its tenant. It
-- first makes `partitions` partitions by the hash of the table's key, or none for 0, as where they are by range. It gives
-- no privilege, so what a migration took before or takes afterwards stays taken: the app role keeps on the table what the
-- schema's default privileges gave it. The worker role keeps nothing, so a list of work is granted to it afterwards, with
-- a policy. Migrations call it, as the schema's owner (ADR 0013).
CREATE FUNCTION {{schema}}.protect(name text, partitions integer) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    closed text[] := ARRAY[name];
    part text;
    relation text;
BEGIN
    FOR i IN 0 .. partitions - 1 LOOP
        part := name || '_p' || i;
        EXECUTE format('CREATE TABLE {{schema}}.%I PARTITION OF {{schema}}.%I FOR VALUES WITH (MODULUS %s, REMAINDER %s)',
                       part, name, partitions, i);
        -- The table's policies do not hold for a statement that names a partition. Nobody needs to name one; it has the
        -- policy all the same, so that a grant by mistake opens no other tenant's rows.
        EXECUTE format('REVOKE ALL ON {{schema}}.%I FROM globcrm_{{schema}}_app', part);
        closed := closed || part;
    END LOOP;
    FOREACH relation IN ARRAY closed LOOP
        EXECUTE format('ALTER TABLE {{schema}}.%I ENABLE ROW LEVEL SECURITY', relation);
        EXECUTE format('ALTER TABLE {{schema}}.%I FORCE ROW LEVEL SECURITY', relation);
        EXECUTE format('CREATE POLICY tenant ON {{schema}}.%I TO globcrm_{{schema}}_app
            USING (tenant_id = (SELECT current_setting(''app.tenant''))::uuid)
            WITH CHECK (tenant_id = (SELECT current_setting(''app.tenant''))::uuid)', relation);
        EXECUTE format('REVOKE ALL ON {{schema}}.%I FROM globcrm_{{schema}}_worker', relation);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION {{schema}}.protect(text, integer) FROM PUBLIC;
