-- phase: contract
DROP INDEX activities.notes_deleted_at;
