-- phase: expand
-- The calendar of a user: services/activities/src/calendar/store.rs.
CREATE INDEX activities_assignee_calendar ON activities.activities (tenant_id, assignee_id, (COALESCE(starts_at, due_at)))
    WHERE assignee_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX activities_owner_calendar ON activities.activities (tenant_id, owner_id, (COALESCE(starts_at, due_at)))
    WHERE owner_id IS NOT NULL AND deleted_at IS NULL;
