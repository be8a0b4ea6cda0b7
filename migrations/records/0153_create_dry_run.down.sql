-- phase: expand
DROP TABLE records.dry_run_contact;
DROP TABLE records.dry_run_mark;
