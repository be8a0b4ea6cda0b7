-- phase: contract
-- The kinds stay as they are: there may be such operations, which a check would refuse. The program of before leaves kinds alone that it
-- does not know.
SELECT 1;
