-- phase: contract
DROP INDEX records.companies_lifecycle;
DROP INDEX records.companies_industry;
DROP INDEX records.companies_deleted_at;
DROP INDEX records.company_domain_domain;
