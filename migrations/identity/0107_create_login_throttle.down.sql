DROP TABLE identity.login_throttle;
