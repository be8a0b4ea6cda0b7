DROP TABLE identity.password_reset;
