-- phase: expand
-- Tasks, calls and meetings. What they have in which state, and the ways between states, are those of
-- services/activities/src/activities/machine.rs: the suite activities compares them.
CREATE TABLE activities.activities (
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
    kind text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    subject_folded text COLLATE "C" NOT NULL,
    body text COLLATE "C",
    state text COLLATE "C" NOT NULL,
    priority text COLLATE "C" NOT NULL CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    due_at timestamptz,
    starts_at timestamptz,
    ends_at timestamptz CHECK (ends_at > starts_at),
    all_day boolean NOT NULL,
    timezone text COLLATE "C",
    completed_at timestamptz,
    outcome text COLLATE "C",
    duration_seconds integer CHECK (duration_seconds > 0),
    assignee_id uuid,
    -- The records that it is about and who takes part, in their order; activity_link and activity_participant find it by them.
    links jsonb NOT NULL,
    participants jsonb NOT NULL,
    cancelled_reason text COLLATE "C",
    -- The moment from which on it is overdue.
    overdue timestamptz,
    reminders jsonb NOT NULL,
    -- Canonical values by the fields' immutable keys.
    custom jsonb NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL)),
    CONSTRAINT activities_state CHECK (
        (kind = 'task' AND state = 'planned' AND num_nulls(subject) = 0 AND num_nonnulls(completed_at, outcome, cancelled_reason) = 0)
        OR (kind = 'task' AND state = 'in_progress' AND num_nulls(subject) = 0 AND num_nonnulls(completed_at, outcome, cancelled_reason) = 0)
        OR (kind = 'task' AND state = 'completed' AND num_nulls(subject, completed_at, outcome) = 0 AND num_nonnulls(cancelled_reason) = 0)
        OR (kind = 'task' AND state = 'cancelled' AND num_nulls(subject, cancelled_reason) = 0 AND num_nonnulls(completed_at, outcome) = 0)
        OR (kind = 'call' AND state = 'planned' AND num_nulls(subject) = 0 AND num_nonnulls(completed_at, outcome, cancelled_reason) = 0)
        OR (kind = 'call' AND state = 'in_progress' AND num_nulls(subject) = 0 AND num_nonnulls(completed_at, outcome, cancelled_reason) = 0)
        OR (kind = 'call' AND state = 'completed' AND num_nulls(subject, completed_at, outcome, duration_seconds) = 0 AND num_nonnulls(cancelled_reason) = 0)
        OR (kind = 'call' AND state = 'cancelled' AND num_nulls(subject, cancelled_reason) = 0 AND num_nonnulls(completed_at, outcome) = 0)
        OR (kind = 'meeting' AND state = 'planned' AND num_nulls(subject, starts_at, ends_at) = 0 AND num_nonnulls(completed_at, outcome, cancelled_reason) = 0)
        OR (kind = 'meeting' AND state = 'in_progress' AND num_nulls(subject, starts_at, ends_at) = 0 AND num_nonnulls(completed_at, outcome, cancelled_reason) = 0)
        OR (kind = 'meeting' AND state = 'completed' AND num_nulls(subject, starts_at, ends_at, completed_at, outcome, duration_seconds) = 0 AND num_nonnulls(cancelled_reason) = 0)
        OR (kind = 'meeting' AND state = 'cancelled' AND num_nulls(subject, starts_at, ends_at, cancelled_reason) = 0 AND num_nonnulls(completed_at, outcome) = 0)
    )
) PARTITION BY HASH (tenant_id);
SELECT activities.record_table('activities', 8, 'activity');
CREATE INDEX activities_subject ON activities.activities (tenant_id, subject_folded, id) WHERE deleted_at IS NULL;
CREATE INDEX activities_state ON activities.activities (tenant_id, state, id) WHERE deleted_at IS NULL;
CREATE INDEX activities_due_at ON activities.activities (tenant_id, due_at, id) WHERE due_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX activities_starts_at ON activities.activities (tenant_id, starts_at, id)
    WHERE starts_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX activities_completed_at ON activities.activities (tenant_id, completed_at, id)
    WHERE completed_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX activities_assignee ON activities.activities (tenant_id, assignee_id, id)
    WHERE assignee_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX activities_overdue ON activities.activities (tenant_id, overdue, id) WHERE overdue IS NOT NULL AND deleted_at IS NULL;
-- The trash in the order in which it is looked at.
CREATE INDEX activities_deleted_at ON activities.activities (tenant_id, deleted_at, id) WHERE deleted_at IS NOT NULL;

CREATE FUNCTION activities.refuse_transition() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE check_violation USING MESSAGE = format('a %s does not go from %s to %s', NEW.kind, OLD.state, NEW.state);
END $$;
REVOKE ALL ON FUNCTION activities.refuse_transition() FROM PUBLIC;
CREATE TRIGGER refuse_transition BEFORE UPDATE ON activities.activities FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND (NEW.kind, OLD.state, NEW.state) NOT IN (
        ('task', 'planned', 'in_progress'),
        ('task', 'planned', 'completed'),
        ('task', 'in_progress', 'completed'),
        ('task', 'planned', 'cancelled'),
        ('task', 'in_progress', 'cancelled'),
        ('call', 'planned', 'in_progress'),
        ('call', 'planned', 'completed'),
        ('call', 'in_progress', 'completed'),
        ('call', 'planned', 'cancelled'),
        ('call', 'in_progress', 'cancelled'),
        ('meeting', 'planned', 'in_progress'),
        ('meeting', 'planned', 'completed'),
        ('meeting', 'in_progress', 'completed'),
        ('meeting', 'planned', 'cancelled'),
        ('meeting', 'in_progress', 'cancelled')))
    EXECUTE FUNCTION activities.refuse_transition();

-- Records of other services, so no foreign key: see libs/record, peer_records.rs.
CREATE TABLE activities.activity_link (
    tenant_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    record_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, activity_id, record_id),
    FOREIGN KEY (tenant_id, activity_id) REFERENCES activities.activities ON DELETE CASCADE
);
SELECT activities.protect('activity_link', 0);
CREATE INDEX activity_link_record ON activities.activity_link (tenant_id, record_id, activity_id);

CREATE TABLE activities.activity_participant (
    tenant_id uuid NOT NULL,
    activity_id uuid NOT NULL,
    record_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, activity_id, record_id),
    FOREIGN KEY (tenant_id, activity_id) REFERENCES activities.activities ON DELETE CASCADE
);
SELECT activities.protect('activity_participant', 0);
CREATE INDEX activity_participant_record ON activities.activity_participant (tenant_id, record_id, activity_id);
