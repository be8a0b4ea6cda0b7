-- phase: expand
-- See 0170.
CREATE INDEX companies_lifecycle ON records.companies (tenant_id, lifecycle, id) WHERE lifecycle IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX companies_industry ON records.companies (tenant_id, industry, id) WHERE industry IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX companies_deleted_at ON records.companies (tenant_id, deleted_at, id) WHERE deleted_at IS NOT NULL;
-- The unique index holds the domains of live companies only, and a filter asks in the trash as well.
CREATE INDEX company_domain_domain ON records.company_domain (tenant_id, domain, company_id);
