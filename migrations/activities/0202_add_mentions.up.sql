-- phase: expand
-- The users whom a note mentions, in their order; note_mention finds it by them.
ALTER TABLE activities.notes ADD COLUMN mentions jsonb NOT NULL DEFAULT '[]';

-- Users are identity's, so no foreign key to them.
CREATE TABLE activities.note_mention (
    tenant_id uuid NOT NULL,
    note_id uuid NOT NULL,
    user_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, note_id, user_id),
    FOREIGN KEY (tenant_id, note_id) REFERENCES activities.notes ON DELETE CASCADE
);
SELECT activities.protect('note_mention', 0);
CREATE INDEX note_mention_user ON activities.note_mention (tenant_id, user_id, note_id);
