-- phase: expand
-- What a dry run of an import would have written, so that its later batches, and a worker that takes it over, find what its
-- earlier ones did. Removed when the dry run is over.

-- Whose an address or a unique value would be by now; nobody's, where it was given up.
CREATE TABLE records.dry_run_mark (
    tenant_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    -- SHA-256 of the address or value: a million of them have the size of a million hashes.
    mark bytea NOT NULL,
    contact_id uuid,
    PRIMARY KEY (tenant_id, operation_id, mark),
    FOREIGN KEY (tenant_id, operation_id) REFERENCES records.operation (tenant_id, id) ON DELETE CASCADE
);
SELECT records.protect('dry_run_mark', 0);

-- Contacts as they would be; only where later rows may change them (duplicate policy `update`).
CREATE TABLE records.dry_run_contact (
    tenant_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    contact jsonb NOT NULL,
    PRIMARY KEY (tenant_id, operation_id, contact_id),
    FOREIGN KEY (tenant_id, operation_id) REFERENCES records.operation (tenant_id, id) ON DELETE CASCADE
);
SELECT records.protect('dry_run_contact', 0);
