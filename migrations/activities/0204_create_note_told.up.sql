-- phase: expand
-- The users whom an event has named as mentioned by a note. A row stays when the mention goes, and goes with the note.
CREATE TABLE activities.note_told (
    tenant_id uuid NOT NULL,
    note_id uuid NOT NULL,
    user_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, note_id, user_id),
    FOREIGN KEY (tenant_id, note_id) REFERENCES activities.notes ON DELETE CASCADE
);
SELECT activities.protect('note_told', 0);
