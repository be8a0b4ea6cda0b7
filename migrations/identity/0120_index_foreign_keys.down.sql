-- phase: contract
DROP INDEX identity.team_children;
DROP INDEX identity.session_user_all;
DROP INDEX identity.api_key_user_all;
