-- phase: expand
-- The purge of a record removes what the change log keeps of it; the log of a record that exists stays append-only.
CREATE FUNCTION records.refuse_forgetting() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_gone boolean;
BEGIN
    CASE OLD.object
        WHEN 'contact' THEN
            is_gone := NOT EXISTS (SELECT FROM records.contacts AS t WHERE t.tenant_id = OLD.tenant_id AND t.id = OLD.record_id);
        WHEN 'company' THEN
            is_gone := NOT EXISTS (SELECT FROM records.companies AS t WHERE t.tenant_id = OLD.tenant_id AND t.id = OLD.record_id);
        ELSE
            is_gone := false;
    END CASE;
    IF NOT is_gone THEN
        RAISE EXCEPTION 'the change log of a record that exists is append-only' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN OLD;
END
$$;
CREATE TRIGGER change_of_gone BEFORE DELETE ON records.change
    FOR EACH ROW EXECUTE FUNCTION records.refuse_forgetting();
-- Through the table only: its partitions stay closed.
GRANT DELETE ON records.change TO globcrm_records_app;
