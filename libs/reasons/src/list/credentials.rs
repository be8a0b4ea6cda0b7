//! Who is calling.

use crate::entries::reasons;

reasons! {
    /// The request has no credentials.
    CREDENTIALS_MISSING [401] "Credentials missing",
        "Send `Authorization: Bearer` with an access token or an API key.";
    /// Organization, e-mail address or password is wrong; which one is not said.
    CREDENTIALS_INVALID [401] "Credentials invalid",
        "Check all three.";
    /// `Authorization` was sent more than once.
    AUTHORIZATION_REPEATED [400] "Authorization repeated",
        "Send the header once.";
    /// The access token is not valid.
    TOKEN_INVALID [401] "Token invalid",
        "Log in.";
    /// The access token has expired.
    TOKEN_EXPIRED [401] "Token expired",
        "Get a new one with `POST /auth/refresh`.";
    /// The session has ended, the API key was revoked, or their user was disabled.
    SESSION_REVOKED [401] "Session revoked",
        "Log in.";
    /// The refresh token is not valid or has expired.
    REFRESH_TOKEN_INVALID [401] "Refresh token invalid",
        "Log in.";
    /// The API key is not valid or was revoked.
    API_KEY_INVALID [401] "API key invalid",
        "Create a new key.";
    /// The API key has reached its `expires_at`.
    API_KEY_EXPIRED [401] "API key expired",
        "Create a new key.";
    /// An API key may not do this; its owner must have logged in.
    SESSION_REQUIRED [403] "Session required",
        "Log in and use the access token.";
    /// The current password that was sent is wrong.
    CURRENT_PASSWORD_WRONG [403] "Current password wrong",
        "Send the password that you log in with now.";
    /// An internal method was called without a service token.
    SERVICE_TOKEN_MISSING [401] "Service token missing",
        "Internal methods are for services of the installation alone.";
    /// A service's token is not valid.
    SERVICE_TOKEN_INVALID [401] "Service token invalid",
        "The service gets a new token by itself; if this lasts, the operator compares the clocks and keys of the services.";
    /// A service has no valid token at the moment.
    SERVICE_TOKEN_UNAVAILABLE [503] "Service token unavailable",
        "Wait for `Retry-After` and send the request again.";
    /// A service's secret is wrong.
    SERVICE_SECRET_INVALID [401] "Service secret invalid",
        "The operator compares the secrets of both services.";
    /// This service may not act for users.
    SERVICE_NOT_ACTING [403] "Service may not act for users",
        "The call must be made with the user's own token.";
}
