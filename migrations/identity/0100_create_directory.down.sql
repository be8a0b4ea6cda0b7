DROP TABLE identity.directory;
