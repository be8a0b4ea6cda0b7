-- phase: expand
-- As 0152, for companies.
CREATE FUNCTION records.analyze_companies(made bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    known float8;
BEGIN
    SELECT coalesce(sum(greatest(c.reltuples, 0)), 0) INTO known
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'records.companies'::regclass;
    IF made * 10 >= known THEN
        ANALYZE records.companies;
        ANALYZE records.company_domain;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION records.analyze_companies(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION records.analyze_companies(bigint) TO globcrm_records_worker;
