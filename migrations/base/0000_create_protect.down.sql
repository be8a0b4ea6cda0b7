-- phase: contract
DROP FUNCTION {{schema}}.protect(text, integer);
