-- phase: expand
-- Companies; see 0100 for the rules of columns.
CREATE TABLE records.companies (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    owner_id uuid,
    team_id uuid,
    source text COLLATE "C" NOT NULL CHECK (source IN ('api', 'import')),
    external_ids jsonb NOT NULL,
    tags text[] NOT NULL,
    name text COLLATE "C" NOT NULL,
    name_folded text COLLATE "C" NOT NULL,
    legal_name text COLLATE "C",
    legal_name_folded text COLLATE "C",
    domains text[] NOT NULL,
    parent_id uuid,
    industry text COLLATE "C",
    employee_count integer CHECK (employee_count >= 0),
    -- The amount as it is answered; minor units and currency again in the columns that filters use.
    annual_revenue jsonb,
    annual_revenue_minor bigint CHECK (annual_revenue_minor >= 0),
    annual_revenue_currency text COLLATE "C",
    phones jsonb NOT NULL,
    addresses jsonb NOT NULL,
    tax_id text COLLATE "C",
    description text COLLATE "C",
    lifecycle text COLLATE "C" CHECK (lifecycle IN ('lead', 'qualified', 'customer', 'former', 'other')),
    -- Canonical values by the fields' immutable keys.
    custom jsonb NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL))
) PARTITION BY HASH (tenant_id);
SELECT records.record_table('companies', 8, 'company');
-- A purge writes the change of what stands below first.
ALTER TABLE records.companies ADD FOREIGN KEY (tenant_id, parent_id) REFERENCES records.companies;
CREATE INDEX companies_name ON records.companies (tenant_id, name_folded, id) WHERE deleted_at IS NULL;
CREATE INDEX companies_parent ON records.companies (tenant_id, parent_id, id) WHERE parent_id IS NOT NULL;

-- A live company's domains are its own.
CREATE TABLE records.company_domain (
    tenant_id uuid NOT NULL,
    domain text COLLATE "C" NOT NULL,
    company_id uuid NOT NULL,
    live boolean NOT NULL,
    PRIMARY KEY (tenant_id, company_id, domain),
    FOREIGN KEY (tenant_id, company_id) REFERENCES records.companies ON DELETE CASCADE
);
SELECT records.protect('company_domain', 0);
CREATE UNIQUE INDEX company_domain_taken ON records.company_domain (tenant_id, domain) WHERE live;
