DROP TABLE activities.reminder_due;
