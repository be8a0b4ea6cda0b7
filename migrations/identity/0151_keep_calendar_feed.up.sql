-- phase: expand
-- allow: ban-drop-not-null: no release reads the table yet
-- Without a hash, an address that has ended: its row stays, so that the versions of the next one go on.
ALTER TABLE identity.calendar_feed ALTER COLUMN secret_hash DROP NOT NULL;
