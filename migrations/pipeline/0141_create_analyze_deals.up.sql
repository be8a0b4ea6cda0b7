-- phase: expand
-- Refreshes the planner's statistics after an import has made many deals: autovacuum does not analyse partitioned parents. What is asked
-- here decides whether it is worth it.
CREATE FUNCTION pipeline.analyze_deals(made bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
    known float8;
BEGIN
    SELECT coalesce(sum(greatest(c.reltuples, 0)), 0) INTO known
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'pipeline.deals'::regclass;
    IF made * 10 >= known THEN
        ANALYZE pipeline.deals;
        ANALYZE pipeline.deal_contact;
        ANALYZE pipeline.stage_entry;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION pipeline.analyze_deals(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.analyze_deals(bigint) TO globcrm_pipeline_worker;
