-- phase: expand
-- What lists of any size are filtered by: segments of a few values to a few hundred, which people combine with orders and other
-- conditions. Every index of contacts is paid for by each write and by the plan of each list, so the fields that nobody
-- builds segments of (language, time zone, birthday, score, the two flags) have none and are refused above 20,000 records.
-- Partial: a contact without the value, or in the trash, costs nothing.
CREATE INDEX contacts_lifecycle ON records.contacts (tenant_id, lifecycle, id) WHERE lifecycle IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX contacts_lead_source ON records.contacts (tenant_id, lead_source, id) WHERE lead_source IS NOT NULL AND deleted_at IS NULL;
-- The trash in the order in which it is looked at; `contacts_trash` has its order by id, and its count.
CREATE INDEX contacts_deleted_at ON records.contacts (tenant_id, deleted_at, id) WHERE deleted_at IS NOT NULL;
