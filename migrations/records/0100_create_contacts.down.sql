-- phase: expand
DROP TABLE records.contact_email;
SELECT records.drop_record_table('contacts');
