DROP TABLE fields.slot_use;
