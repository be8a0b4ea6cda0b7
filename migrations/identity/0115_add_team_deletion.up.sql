-- phase: expand
-- A deleted team stays as a row: users' histories and records name it.
ALTER TABLE identity.team ADD COLUMN deleted_at timestamptz, ADD COLUMN deleted_by uuid;
