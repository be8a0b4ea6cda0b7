DROP TABLE identity.api_key;
