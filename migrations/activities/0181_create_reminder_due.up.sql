-- phase: expand
-- Reminders that have yet to come: services/activities/src/activities/reminding.rs. Without a moment, one that waits for its activity to come
-- out of the trash.
CREATE TABLE activities.reminder_due (
    tenant_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    minutes_before integer NOT NULL CHECK (minutes_before >= 0),
    due_at timestamptz,
    PRIMARY KEY (tenant_id, activity_id, minutes_before),
    FOREIGN KEY (tenant_id, activity_id) REFERENCES activities.activities ON DELETE CASCADE
);
SELECT activities.protect('reminder_due', 0);
CREATE POLICY worker ON activities.reminder_due FOR SELECT TO globcrm_activities_worker USING (true);
GRANT SELECT ON activities.reminder_due TO globcrm_activities_worker;
CREATE INDEX reminder_due_due_at ON activities.reminder_due (due_at, tenant_id, activity_id);
