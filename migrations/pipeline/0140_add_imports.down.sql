-- phase: contract
DROP TABLE pipeline.import_record;
DROP TABLE pipeline.import_mark;
ALTER TABLE pipeline.operation DROP COLUMN detected;
-- The kinds stay as they are: there may be such operations, which a check would refuse. The program of before leaves kinds alone that it
-- does not know.
