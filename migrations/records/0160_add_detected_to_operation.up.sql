-- phase: expand
-- How the file of an import is read, in wire form (globcrm.common.v1.FileForm): shown with the operation.
ALTER TABLE records.operation ADD COLUMN detected bytea;
