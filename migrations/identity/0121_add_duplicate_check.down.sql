-- phase: contract
ALTER TABLE identity.tenant DROP COLUMN version, DROP COLUMN duplicate_check;
