-- phase: contract
ALTER TABLE fields.field_definition DROP COLUMN is_filling;
