-- phase: expand
DROP TABLE records.company_domain;
DROP TABLE records.companies;
