-- phase: expand
DROP TABLE records.contact_company;
