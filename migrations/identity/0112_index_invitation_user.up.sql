-- phase: expand
-- An invitation that is given again ends the one before.
CREATE INDEX invitation_user ON identity.invitation (tenant_id, user_id);
