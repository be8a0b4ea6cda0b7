-- phase: contract
DROP TABLE activities.note_told;
