DROP TABLE identity.invitation;
DROP TABLE identity.refresh_token;
DROP TABLE identity.session;
