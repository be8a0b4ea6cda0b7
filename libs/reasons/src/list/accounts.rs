//! Organizations, users, teams, roles, sessions and API keys.

use crate::entries::reasons;

reasons! {
    /// No such user, or not yours to see.
    USER_NOT_FOUND [404] "User not found",
        "Check the id.";
    /// No such team, or not yours to see.
    TEAM_NOT_FOUND [404] "Team not found",
        "Check the id.";
    /// No such role.
    ROLE_NOT_FOUND [404] "Role not found",
        "Check the id.";
    /// No such session of yours.
    SESSION_NOT_FOUND [404] "Session not found",
        "Look at `GET /me/sessions`; a session that has ended is not listed.";
    /// No such API key of yours.
    API_KEY_NOT_FOUND [404] "API key not found",
        "Look at `GET /api-keys`.";
    /// You have no calendar address; or the one that was used is wrong, has ended, or belongs to somebody who is disabled.
    CALENDAR_FEED_NOT_FOUND [404] "Calendar feed not found",
        "Make a new address with `POST /calendar-feed`, and give it to the calendar program.";
    /// Another organization has this slug.
    SLUG_TAKEN [409] "Slug taken",
        "Choose another slug.";
    /// The slug is reserved.
    SLUG_RESERVED [violation] "Slug reserved",
        "Choose another slug.";
    /// The text is not a slug: 2 to 40 of a-z, 0-9 and -, which is neither first nor last.
    SLUG_INVALID [violation] "Slug invalid",
        "Send a slug like `acme-europe`.";
    /// Another user of the organization has this e-mail address.
    EMAIL_TAKEN [409] "E-mail address taken",
        "Use the user that exists, or another address.";
    /// Another role has this name.
    ROLE_NAME_TAKEN [409] "Role name taken",
        "Choose another name.";
    /// Users hold the role.
    ROLE_IN_USE [409] "Role in use",
        "Give those users other roles first.";
    /// Teams lie below the team, or it has more members than are taken out at once.
    TEAM_IN_USE [409] "Team in use",
        "Move or delete the teams below it, or take members out, first.";
    /// The role belongs to the system and cannot be changed or deleted.
    ROLE_IS_SYSTEM [409] "Role is a system role",
        "Create a role of your own.";
    /// The organization would be left without a user who may do everything.
    LAST_ADMINISTRATOR [409] "Last administrator",
        "Make another user an administrator first.";
    /// The user has accepted the invitation, or is disabled.
    USER_NOT_INVITED [409] "User not invited",
        "Nothing needs to be sent.";
    /// The invitation is not valid, was used or has expired.
    INVITATION_INVALID [401] "Invitation invalid",
        "Ask an administrator to send a new invitation.";
    /// The token to reset a password is not valid, was used or has expired.
    PASSWORD_RESET_INVALID [401] "Password reset invalid",
        "Ask an administrator for a new token.";
    /// You cannot reset your own password.
    OWN_PASSWORD_RESET [403] "Own password",
        "Change it with `POST /me/password`.";
    /// The user has not accepted the invitation, or is disabled.
    USER_NOT_ACTIVE [409] "User not active",
        "Invite the user again with `POST /users/{id}:resend-invitation`, or enable the user first.";
    /// The password is too short, too common or too similar to your address; `detail` says which.
    PASSWORD_TOO_WEAK [violation] "Password too weak",
        "Choose a longer, less usual password.";
    /// The new password is the current one.
    PASSWORD_UNCHANGED [violation] "Password unchanged",
        "Choose another password.";
    /// The user has as many API keys as a user may have.
    API_KEY_LIMIT_REACHED [409] "API key limit reached",
        "Delete a key that is not used.";
    /// The text is not a scope of a key: `<object>.<action>` with names that exist, or `*`.
    UNKNOWN_SCOPE [violation] "Unknown scope",
        "Send a scope like `contact.read`.";
    /// No object has this action.
    UNKNOWN_ACTION [violation] "Unknown action",
        "Send one of the actions that `/docs` lists.";
    /// The text is neither a field's name nor `custom.<key>`.
    FIELD_NAME_INVALID [violation] "Field name invalid",
        "Send a name like `score` or `custom.budget`.";
    /// This field cannot be restricted by a role.
    FIELD_NOT_RESTRICTABLE [violation] "Field not restrictable",
        "Take the rule out.";
}
