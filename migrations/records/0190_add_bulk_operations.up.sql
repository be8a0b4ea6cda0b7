-- phase: expand
-- allow: ban-drop-constraint: it is made again in the same transaction, and lets in more
-- Operations of this service are imports, indexes that are filled, changes of many records, and their undoing.
ALTER TABLE records.operation
    DROP CONSTRAINT operation_kind_check,
    ADD CONSTRAINT operation_kind_check CHECK (kind IN ('import', 'index', 'bulk', 'undo'));
