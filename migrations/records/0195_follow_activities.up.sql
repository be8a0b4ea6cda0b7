-- phase: expand
-- Which completed activities name contacts and companies: last_activity_at follows the latest of them. Fed by events of the service
-- activities: services/records/src/last_activity.
ALTER TABLE records.companies ADD COLUMN last_activity_at timestamptz;
CREATE INDEX companies_last_activity_at ON records.companies (tenant_id, last_activity_at, id)
    WHERE last_activity_at IS NOT NULL AND deleted_at IS NULL;

-- The newest version of an activity that was heard of, until it is purged: an older event does no harm.
CREATE TABLE records.heard_activity (
    tenant_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (tenant_id, activity_id)
);
SELECT records.protect('heard_activity', 0);

CREATE TABLE records.contact_activity (
    tenant_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    completed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, activity_id, contact_id),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES records.contacts ON DELETE CASCADE
);
SELECT records.protect('contact_activity', 0);
CREATE INDEX contact_activity_latest ON records.contact_activity (tenant_id, contact_id, completed_at);

CREATE TABLE records.company_activity (
    tenant_id uuid NOT NULL,
    company_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    completed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, activity_id, company_id),
    FOREIGN KEY (tenant_id, company_id) REFERENCES records.companies ON DELETE CASCADE
);
SELECT records.protect('company_activity', 0);
CREATE INDEX company_activity_latest ON records.company_activity (tenant_id, company_id, completed_at);
