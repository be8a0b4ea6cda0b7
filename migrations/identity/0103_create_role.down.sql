DROP TABLE identity.user_role;
DROP TABLE identity.role;
