-- phase: contract
-- after: 0.0
-- Dry runs note what they would do in import_mark and import_record.
DROP TABLE records.dry_run_contact;
DROP TABLE records.dry_run_mark;
