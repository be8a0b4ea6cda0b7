-- phase: contract
DROP TABLE records.company_activity;
DROP TABLE records.contact_activity;
DROP TABLE records.heard_activity;
ALTER TABLE records.companies DROP COLUMN last_activity_at;
