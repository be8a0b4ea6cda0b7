-- phase: contract
ALTER TABLE fields.field_definition DROP COLUMN slot_assignment;
