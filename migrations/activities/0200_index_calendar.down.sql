-- phase: contract
DROP INDEX activities.activities_owner_calendar;
DROP INDEX activities.activities_assignee_calendar;
