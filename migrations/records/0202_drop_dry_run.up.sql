-- phase: contract
-- Dry runs note what they would do in import_mark and import_record.
DROP TABLE records.dry_run_contact;
DROP TABLE records.dry_run_mark;
