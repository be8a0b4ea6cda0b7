-- phase: expand
-- Contacts. Columns that are filtered or sorted by have leakproof operators only; *_folded hold the search key of their text.
CREATE TABLE records.contacts (
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
    first_name text COLLATE "C",
    first_name_folded text COLLATE "C",
    last_name text COLLATE "C",
    last_name_folded text COLLATE "C",
    full_name text COLLATE "C",
    full_name_folded text COLLATE "C",
    job_title text COLLATE "C",
    job_title_folded text COLLATE "C",
    department text COLLATE "C",
    department_folded text COLLATE "C",
    emails jsonb NOT NULL,
    phones jsonb NOT NULL,
    addresses jsonb NOT NULL,
    language text COLLATE "C",
    timezone text COLLATE "C",
    birthday date,
    lifecycle text COLLATE "C" CHECK (lifecycle IN ('lead', 'qualified', 'customer', 'former', 'other')),
    lead_source text COLLATE "C",
    score integer,
    do_not_call boolean NOT NULL,
    do_not_email boolean NOT NULL,
    consents jsonb NOT NULL,
    last_activity_at timestamptz,
    -- Canonical values by the fields' immutable keys.
    custom jsonb NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL))
) PARTITION BY HASH (tenant_id);
SELECT records.record_table('contacts', 8, 'contact');
CREATE INDEX contacts_first_name ON records.contacts (tenant_id, first_name_folded, id) WHERE first_name_folded IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX contacts_last_name ON records.contacts (tenant_id, last_name_folded, id) WHERE last_name_folded IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX contacts_full_name ON records.contacts (tenant_id, full_name_folded, id) WHERE full_name_folded IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX contacts_last_activity_at ON records.contacts (tenant_id, last_activity_at, id) WHERE last_activity_at IS NOT NULL AND deleted_at IS NULL;

-- The addresses of contacts, for filters and for finding duplicates; arrays are never filtered under row-level security.
CREATE TABLE records.contact_email (
    tenant_id uuid NOT NULL,
    address text COLLATE "C" NOT NULL,
    contact_id uuid NOT NULL,
    live boolean NOT NULL,
    PRIMARY KEY (tenant_id, contact_id, address),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES records.contacts ON DELETE CASCADE
) PARTITION BY HASH (tenant_id);
SELECT records.protect('contact_email', 8);
CREATE INDEX contact_email_address ON records.contact_email (tenant_id, address, contact_id);
