DROP TABLE identity.user_team;
DROP TABLE identity.team;
DROP TABLE identity.app_user;
