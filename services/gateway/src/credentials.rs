//! From what a client presents to an access token that services verify.

use std::sync::Arc;
use std::time::Duration;

use auth::{API_KEY_PREFIX, PrincipalKind};
use axum::http::{HeaderMap, header};
use cache::Expiring;
use error::{Code, Error, Reason};
use ids::TenantId;
use rpc::identity::KeyDigest;
use secrecy::SecretString;
use uuid::Uuid;

use crate::known_keys::KnownKeys;

/// A key that identity does not know is not asked for again for this long.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Such keys at once; beyond it those go that were refused first.
const MAX_REMEMBERED: usize = 10_000;

/// A caller whose token was verified here, for limits; services verify it again.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) tenant: TenantId,
    pub(crate) principal: Uuid,
    pub(crate) kind: PrincipalKind,
    /// What services are shown; `None` of a secret in the path, which they read there.
    pub(crate) token: Option<SecretString>,
}

impl Caller {
    /// By what limits and places know them.
    pub(crate) fn named(&self) -> (TenantId, Uuid) {
        (self.tenant, self.principal)
    }
}

/// What a client shows.
#[derive(Debug)]
pub(crate) enum Presented {
    /// An access token, or that of an API key that was traded a moment ago.
    Token(SecretString),
    /// What identity must be asked for.
    Unknown(Secret, KeyDigest),
}

/// A secret whose owner only identity knows.
#[derive(Debug)]
pub(crate) enum Secret {
    /// An API key.
    ApiKey(SecretString),
    /// The token in the address of a calendar.
    Calendar(SecretString),
}

/// Trades API keys and verifies tokens.
#[derive(Debug)]
pub(crate) struct Credentials {
    identity: rpc::identity::Identity,
    gate: auth::Gate,
    /// Keys that were refused, and how.
    bad: Expiring<KeyDigest, Arc<Error>>,
    good: KnownKeys,
}

impl Credentials {
    pub(crate) fn new(identity: rpc::identity::Identity, gate: auth::Gate) -> Self {
        Self { identity, gate, bad: Expiring::new(MAX_REMEMBERED), good: KnownKeys::default() }
    }

    /// What `Authorization: Bearer <access token or API key>` holds. Asks nobody.
    pub(crate) fn presented(&self, headers: &HeaderMap) -> Result<Presented, Error> {
        let missing = || {
            Error::unauthenticated(
                Reason::CREDENTIALS_MISSING,
                "send Authorization: Bearer <access token or API key>",
            )
        };
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next().ok_or_else(missing)?;
        if values.next().is_some() {
            return Err(Error::malformed(Reason::AUTHORIZATION_REPEATED, "Authorization must be sent once"));
        }
        let (scheme, presented) = value.to_str().ok().and_then(|t| t.split_once(' ')).ok_or_else(missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") || presented.trim().is_empty() {
            return Err(missing());
        }
        let presented = SecretString::from(presented.trim());
        // Everything else is taken for an access token.
        if !secrecy::ExposeSecret::expose_secret(&presented).starts_with(API_KEY_PREFIX) {
            return Ok(Presented::Token(presented));
        }
        let digest = KeyDigest::of(&presented);
        if let Some(token) = self.identity.held_api_key(&digest) {
            return Ok(Presented::Token(token));
        }
        match self.bad.get(&digest) {
            Some(refused) => Err(refused.again()),
            None => Ok(Presented::Unknown(Secret::ApiKey(presented), digest)),
        }
    }

    /// The secret in the path, which is all that its method takes. Asks nobody.
    pub(crate) fn in_path(secret: &str) -> Presented {
        let secret = SecretString::from(secret);
        let digest = KeyDigest::of(&secret);
        Presented::Unknown(Secret::Calendar(secret), digest)
    }

    /// Whose a secret was when it was good; nobody's, when it was never shown here.
    pub(crate) fn owner(&self, digest: &KeyDigest) -> Option<(TenantId, Uuid)> {
        self.good.owner(digest)
    }

    /// The caller of a secret, of whom identity is asked; remembers a good one, and an API key that is refused.
    pub(crate) async fn trade(&self, secret: Secret, digest: KeyDigest) -> Result<Caller, Error> {
        let caller = match secret {
            Secret::ApiKey(key) => self.of_api_key(key, digest).await?,
            Secret::Calendar(token) => self.of_calendar(token, digest).await?,
        };
        self.good.note(digest, caller.tenant, caller.principal);
        Ok(caller)
    }

    /// Who reads a calendar by its address: it counts as an API key, so that whoever reads it too often shuts out nobody but themselves.
    async fn of_calendar(&self, token: SecretString, digest: KeyDigest) -> Result<Caller, Error> {
        match self.identity.calendar_owner(token).await {
            Ok((tenant, _)) => {
                Ok(Caller { tenant, principal: digest.id(), kind: PrincipalKind::ApiKey, token: None })
            }
            Err(error) => {
                if error.code() == Code::NotFound {
                    self.good.forget(&digest);
                }
                Err(error)
            }
        }
    }

    async fn of_api_key(&self, key: SecretString, digest: KeyDigest) -> Result<Caller, Error> {
        match self.identity.exchange_api_key(key).await {
            Ok(token) => self.caller(token).await,
            Err(error) => {
                if error.code() == Code::Unauthenticated {
                    self.good.forget(&digest);
                    self.bad.put(digest, Arc::new(error.again()), REMEMBERED);
                }
                Err(error)
            }
        }
    }

    /// The caller whose token this is.
    pub(crate) async fn caller(&self, token: SecretString) -> Result<Caller, Error> {
        let claims = self.gate.verify(&token).await?;
        Ok(Caller { tenant: claims.tid, principal: claims.sub, kind: claims.knd, token: Some(token) })
    }
}
