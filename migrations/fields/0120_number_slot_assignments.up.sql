-- phase: expand
-- Which assignment of a slot the field has, by the version of the object's definitions at which it was made: who fills a slot says
-- so of this assignment, and of no later one. 0 where it was made before.
-- From here on a slot that is being filled is in slot_use alone and not in field_definition.slot: a program that does not know
-- is_filling would filter by what is half filled.
ALTER TABLE fields.field_definition ADD COLUMN slot_assignment bigint NOT NULL DEFAULT 0;
