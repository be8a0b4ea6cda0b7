-- phase: expand
-- allow: ban-drop-constraint: it is made again in the same transaction, and lets in more
-- Imports are operations of this service, too.
ALTER TABLE pipeline.operation DROP CONSTRAINT operation_kind_check;
ALTER TABLE pipeline.operation
    ADD CONSTRAINT operation_kind_check CHECK (kind IN ('bulk', 'undo', 'import'));
-- How the file of an import is read.
ALTER TABLE pipeline.operation ADD COLUMN detected bytea;

-- What a dry run of an import would have written, so that its later batches, and a worker that takes it over, find what its
-- earlier ones did. Removed when the dry run is over.

-- Whose a value by which rows find records, or a unique one, would be by now; nobody's, where it was given up.
CREATE TABLE pipeline.import_mark (
    tenant_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    -- SHA-256 of the value: a million of them have the size of a million hashes.
    mark bytea NOT NULL,
    record_id uuid,
    PRIMARY KEY (tenant_id, operation_id, mark),
    FOREIGN KEY (tenant_id, operation_id) REFERENCES pipeline.operation (tenant_id, id) ON DELETE CASCADE
);
SELECT pipeline.protect('import_mark', 0);

-- Records as they would be; only where later rows may change them (duplicate policy `update`).
CREATE TABLE pipeline.import_record (
    tenant_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    record_id uuid NOT NULL,
    record jsonb NOT NULL,
    PRIMARY KEY (tenant_id, operation_id, record_id),
    FOREIGN KEY (tenant_id, operation_id) REFERENCES pipeline.operation (tenant_id, id) ON DELETE CASCADE
);
SELECT pipeline.protect('import_record', 0);
