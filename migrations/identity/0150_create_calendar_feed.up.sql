-- phase: expand
-- The secret with which a calendar program reads the calendar of a user: one for each.
CREATE TABLE identity.calendar_feed (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    version bigint NOT NULL,
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT calendar_feed_user FOREIGN KEY (tenant_id, user_id) REFERENCES identity.app_user (tenant_id, id)
);
SELECT identity.protect('calendar_feed', 0);
