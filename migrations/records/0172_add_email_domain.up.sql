-- phase: expand
-- The domain of each address, for filters. A column, as under row-level security an index on an expression is of no use; made by
-- the database, so that a program of the version before writes it as well. It rewrites the table, which is small: nothing was
-- deployed before this migration.
ALTER TABLE records.contact_email
    ADD COLUMN domain text COLLATE "C" GENERATED ALWAYS AS (substring(address FROM '[^@]*$')) STORED;
CREATE INDEX contact_email_domain ON records.contact_email (tenant_id, domain, contact_id);
