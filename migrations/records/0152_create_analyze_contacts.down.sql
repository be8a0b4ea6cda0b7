-- phase: expand
DROP FUNCTION records.analyze_contacts(bigint);
