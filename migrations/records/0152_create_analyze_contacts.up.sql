-- phase: expand
-- ANALYZE needs the owner; a large import makes it worth its while. For the worker alone.
CREATE FUNCTION records.analyze_contacts() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS
$$
BEGIN
    ANALYZE records.contacts;
    ANALYZE records.contact_email;
END
$$;
REVOKE ALL ON FUNCTION records.analyze_contacts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION records.analyze_contacts() TO globcrm_records_worker;
