-- phase: contract
DROP INDEX records.contacts_lifecycle;
DROP INDEX records.contacts_lead_source;
DROP INDEX records.contacts_deleted_at;
