-- phase: expand
DROP TABLE records.company_phone;
DROP TABLE records.contact_phone;
