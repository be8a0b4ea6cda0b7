-- phase: expand
DROP TABLE records.contact_email;
DROP TABLE records.contacts;
