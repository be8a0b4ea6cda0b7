DROP TABLE fields.field_definition;
