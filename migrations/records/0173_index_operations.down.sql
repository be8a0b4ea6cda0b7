-- phase: contract
-- The kinds stay as they are: there may be operations that fill an index, which a check would refuse and the owner cannot remove, as it
-- sees no rows. The program of before leaves kinds alone that it does not know.
ALTER TABLE records.operation DROP COLUMN after_id;
