DROP INDEX identity.invitation_user;
