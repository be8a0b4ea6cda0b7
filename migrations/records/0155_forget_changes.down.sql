-- phase: expand
REVOKE DELETE ON records.change FROM globcrm_records_app;
DROP TRIGGER change_of_gone ON records.change;
DROP FUNCTION records.refuse_forgetting();
