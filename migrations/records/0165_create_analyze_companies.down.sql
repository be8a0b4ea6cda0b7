-- phase: expand
DROP FUNCTION records.analyze_companies(bigint);
