DROP FUNCTION records.analyze_contacts();
