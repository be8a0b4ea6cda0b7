-- phase: expand
-- Operations of this service are changes of many records, and their undoing.
ALTER TABLE activities.operation
    ADD CONSTRAINT operation_kind_check CHECK (kind IN ('bulk', 'undo'));
