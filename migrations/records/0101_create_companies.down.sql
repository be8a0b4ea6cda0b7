-- phase: expand
DROP TABLE records.company_domain;
SELECT records.drop_record_table('companies');
