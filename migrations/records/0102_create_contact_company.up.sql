-- phase: expand
-- Which contact belongs to which company; found from both sides.
CREATE TABLE records.contact_company (
    tenant_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    company_id uuid NOT NULL,
    role text COLLATE "C",
    is_primary boolean NOT NULL,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    PRIMARY KEY (tenant_id, contact_id, company_id),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES records.contacts ON DELETE CASCADE,
    -- A tie is a part of its contact: the purge of its company writes the contact's change first.
    FOREIGN KEY (tenant_id, company_id) REFERENCES records.companies
);
SELECT records.protect('contact_company', 0);
CREATE INDEX contact_company_company ON records.contact_company (tenant_id, company_id, contact_id);
CREATE UNIQUE INDEX contact_company_primary ON records.contact_company (tenant_id, contact_id) WHERE is_primary;
