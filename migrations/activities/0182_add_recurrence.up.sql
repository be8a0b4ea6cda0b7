-- phase: expand
-- The rule by which an activity comes again (RFC 5545), where the clock skipped its time the time that was meant, and the one that came of it.
ALTER TABLE activities.activities
    ADD COLUMN recurrence text COLLATE "C",
    ADD COLUMN recurs_at text COLLATE "C",
    ADD COLUMN next_id uuid;
