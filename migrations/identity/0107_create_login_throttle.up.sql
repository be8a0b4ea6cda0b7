-- phase: expand
-- Failed attempts by the hash of what was attacked: an account, a client address or an invitation. They are counted before any
-- tenant is known and also for accounts that do not exist, so all rows stand in the nil tenant, which no organisation has.
CREATE TABLE identity.login_throttle (
    tenant_id uuid NOT NULL,
    key bytea NOT NULL CHECK (octet_length(key) = 32),
    failures integer NOT NULL,
    blocked_until timestamptz NOT NULL,
    -- From then on the failures are forgotten.
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX login_throttle_expiry ON identity.login_throttle (tenant_id, expires_at);
SELECT identity.protect('login_throttle', 0);
