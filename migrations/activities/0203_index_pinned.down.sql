-- phase: contract
DROP INDEX activities.notes_pinned;
