-- phase: contract
DROP INDEX records.contact_email_domain;
ALTER TABLE records.contact_email DROP COLUMN domain;
