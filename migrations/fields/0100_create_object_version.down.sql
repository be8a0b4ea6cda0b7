DROP TABLE fields.object_version;
