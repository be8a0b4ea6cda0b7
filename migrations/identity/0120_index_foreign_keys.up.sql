-- phase: expand
-- Foreign keys whose columns no index began with, or only an index of some of the rows: without one, every look from the other side
-- reads the whole table.
CREATE INDEX team_children ON identity.team (tenant_id, parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX session_user_all ON identity.session (tenant_id, user_id);
CREATE INDEX api_key_user_all ON identity.api_key (tenant_id, user_id);
