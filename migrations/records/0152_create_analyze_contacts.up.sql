-- phase: expand
-- ANALYZE needs the owner. For the worker alone, after an import.
-- The statistics are worth their while when the import was large beside what is there: they are of all tenants' contacts.
CREATE FUNCTION records.analyze_contacts(made bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    known float8;
BEGIN
    SELECT coalesce(sum(greatest(c.reltuples, 0)), 0) INTO known
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'records.contacts'::regclass;
    IF made * 10 >= known THEN
        ANALYZE records.contacts;
        ANALYZE records.contact_email;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION records.analyze_contacts(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION records.analyze_contacts(bigint) TO globcrm_records_worker;
