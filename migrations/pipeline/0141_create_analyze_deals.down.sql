-- phase: expand
DROP FUNCTION pipeline.analyze_deals(bigint);
