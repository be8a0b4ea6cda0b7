-- phase: expand
REVOKE DELETE ON {{schema}}.change FROM globcrm_{{schema}}_app;
DROP TRIGGER change_of_gone ON {{schema}}.change;
DROP FUNCTION {{schema}}.refuse_forgetting();
