-- phase: expand
-- The phone numbers of contacts and companies, by which filters find them; arrays are never filtered under row-level security.
CREATE TABLE records.contact_phone (
    tenant_id uuid NOT NULL,
    number text COLLATE "C" NOT NULL,
    contact_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, contact_id, number),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES records.contacts ON DELETE CASCADE
) PARTITION BY HASH (tenant_id);
SELECT records.protect('contact_phone', 8);
CREATE INDEX contact_phone_number ON records.contact_phone (tenant_id, number, contact_id);

CREATE TABLE records.company_phone (
    tenant_id uuid NOT NULL,
    number text COLLATE "C" NOT NULL,
    company_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, company_id, number),
    FOREIGN KEY (tenant_id, company_id) REFERENCES records.companies ON DELETE CASCADE
);
SELECT records.protect('company_phone', 0);
CREATE INDEX company_phone_number ON records.company_phone (tenant_id, number, company_id);
