-- phase: expand
-- Where a user has logged in before: devices by their rotating token, and networks. What comes from there goes past the brake
-- that guesses from everywhere else have on the account.
CREATE TABLE identity.known_device (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    -- The token before: good once more, for a device that lost the answer with the new one.
    previous_hash bytea CHECK (octet_length(previous_hash) = 32),
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT known_device_user FOREIGN KEY (tenant_id, user_id) REFERENCES identity.app_user (tenant_id, id)
);
CREATE INDEX known_device_newest ON identity.known_device (tenant_id, user_id, last_used_at DESC);
CREATE INDEX known_device_expiry ON identity.known_device (tenant_id, expires_at);
CREATE TABLE identity.known_network (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    -- A hash over tenant, user and network.
    network bytea NOT NULL CHECK (octet_length(network) = 32),
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, network),
    CONSTRAINT known_network_user FOREIGN KEY (tenant_id, user_id) REFERENCES identity.app_user (tenant_id, id)
);
CREATE INDEX known_network_expiry ON identity.known_network (tenant_id, expires_at);
SELECT identity.protect('known_device', 0);
SELECT identity.protect('known_network', 0);
