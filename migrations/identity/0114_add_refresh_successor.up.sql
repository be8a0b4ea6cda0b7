-- phase: expand
-- By whom a refresh token was spent (a hash over user agent and network), and the token that was given for it: the same client gets the
-- same one again for some seconds.
ALTER TABLE identity.refresh_token ADD COLUMN used_by bytea, ADD COLUMN successor_id uuid;
