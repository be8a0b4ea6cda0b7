-- phase: expand
-- Notes. Moments are kept to the microsecond, ids are UUIDv7.
CREATE TABLE activities.notes (
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
    -- Markdown, and what is shown of it.
    body text COLLATE "C" NOT NULL,
    body_html text COLLATE "C" NOT NULL,
    -- The records that it is about, in their order; note_link finds it by them.
    links jsonb NOT NULL,
    pinned boolean NOT NULL,
    -- Canonical values by the fields' immutable keys.
    custom jsonb NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL))
) PARTITION BY HASH (tenant_id);
SELECT activities.record_table('notes', 8, 'note');

-- Records of other services, so no foreign key: see libs/record, peer_records.rs.
CREATE TABLE activities.note_link (
    tenant_id uuid NOT NULL,
    note_id uuid NOT NULL,
    record_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, note_id, record_id),
    FOREIGN KEY (tenant_id, note_id) REFERENCES activities.notes ON DELETE CASCADE
);
SELECT activities.protect('note_link', 0);
CREATE INDEX note_link_record ON activities.note_link (tenant_id, record_id, note_id);
