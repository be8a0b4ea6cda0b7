-- phase: expand
-- The settings of an organization, with the version that clients change them by.
ALTER TABLE identity.tenant
    ADD COLUMN version bigint NOT NULL DEFAULT 1,
    -- Whether a new contact is refused whose e-mail address another contact has.
    ADD COLUMN duplicate_check boolean NOT NULL DEFAULT true;
