-- phase: expand
-- What happened to records, as their services told it, as far as timelines need it: the journal from which timelines are made anew. See
-- services/activities/src/timeline.
CREATE TABLE activities.timeline_event (
    tenant_id uuid NOT NULL,
    record_id uuid NOT NULL,
    event_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    verb text COLLATE "C" NOT NULL,
    happened_at timestamptz NOT NULL,
    actor_kind text COLLATE "C" NOT NULL CHECK (actor_kind IN ('user', 'api_key', 'service')),
    actor_id uuid NOT NULL,
    -- The changed fields; where a record was purged, the records whose timelines say so.
    changes jsonb NOT NULL,
    PRIMARY KEY (tenant_id, record_id, event_id)
) PARTITION BY HASH (tenant_id);
SELECT activities.protect('timeline_event', 8);

-- The entries of timelines. A page reads the key backwards, for each type.
CREATE TABLE activities.timeline_entry (
    tenant_id uuid NOT NULL,
    -- Whose timeline it is.
    record_id uuid NOT NULL,
    type text COLLATE "C" NOT NULL CHECK (type IN ('activity', 'note', 'stage_change', 'field_change', 'record')),
    happened_at timestamptz NOT NULL,
    id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    event text COLLATE "C" NOT NULL,
    -- What changed, and the event that said so.
    source_object text COLLATE "C" NOT NULL,
    source_id uuid NOT NULL,
    event_id uuid NOT NULL,
    actor_kind text COLLATE "C" NOT NULL,
    actor_id uuid NOT NULL,
    -- The record that was linked to this one, or no longer is.
    other_object text COLLATE "C",
    other_id uuid,
    -- By object and name; a caller from whom all of them are hidden does not see the entry.
    fields text[] NOT NULL,
    data jsonb,
    PRIMARY KEY (tenant_id, record_id, type, happened_at, id),
    CHECK ((other_object IS NULL) = (other_id IS NULL))
) PARTITION BY HASH (tenant_id);
SELECT activities.protect('timeline_entry', 8);
CREATE INDEX timeline_entry_source ON activities.timeline_entry (tenant_id, source_id, event_id);
CREATE INDEX timeline_entry_other ON activities.timeline_entry (tenant_id, other_id, record_id) WHERE other_id IS NOT NULL;
