//! What every operation works with.

use std::sync::Arc;

use auth::{Gate, Signer, Verifier};
use config::{ExposeSecret, SecretString};
use db::{Db, DbError};
use error::{Error, Reason};
use ids::Clock;
use tokio_util::sync::CancellationToken;

use crate::changes::{AuditKey, Recorder, Settle};
use crate::config::{Config, PasswordConfig, SignUpConfig};
use crate::entropy::Entropy;
use crate::jobs::cleanup;
use crate::passwords::Passwords;
use crate::permissions::get_snapshot;
use crate::service_secrets::ServiceSecrets;
use crate::sessions::succession::Succession;
use query::CursorKey;

/// The parts of the service that operations use.
#[derive(Debug)]
pub struct App {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    pub(crate) signer: Signer,
    pub(crate) succession: Succession,
    pub(crate) gate: Gate,
    pub(crate) passwords: Passwords,
    pub(crate) pages: CursorKey,
    pub(crate) settle: Settle,
    pub(crate) recorder: Recorder,
    pub(crate) service_secrets: ServiceSecrets,
    pub(crate) sign_ups: SignUpConfig,
}

/// What [`App::new`] is made from.
#[derive(Debug)]
pub struct Parts {
    /// The app role's pool of the schema `identity`.
    pub db: Db,
    /// Time and ids.
    pub clock: Clock,
    /// Secrets and salts.
    pub entropy: Entropy,
    /// The wait after a narrowing.
    pub settle: Settle,
    /// Ed25519 private key, PKCS#8 PEM.
    pub signing_key: SecretString,
    /// Chains and seals the audit log.
    pub audit_key: AuditKey,
    /// Secrets of the services.
    pub service_secrets: ServiceSecrets,
    /// Password hashing.
    pub passwords: PasswordConfig,
    /// The brake on sign-ups.
    pub sign_ups: SignUpConfig,
}

impl Parts {
    /// The parts that run in production.
    pub fn of(config: &Config, db: Db, clock: Clock) -> Self {
        Self {
            db,
            clock,
            entropy: Entropy::system(),
            settle: Settle::lease(),
            signing_key: config.keys.signing.clone(),
            audit_key: config.keys.audit.clone(),
            service_secrets: config.service_secrets.clone(),
            passwords: config.passwords,
            sign_ups: config.sign_ups,
        }
    }
}

impl App {
    /// Puts the parts together. Errors: the key or the password parameters are not usable.
    pub fn new(parts: Parts) -> Result<Arc<Self>, Error> {
        let Parts {
            db,
            clock,
            entropy,
            settle,
            signing_key,
            audit_key,
            service_secrets,
            passwords,
            sign_ups,
        } = parts;
        let signer = Signer::from_pem(signing_key.expose_secret(), clock.clone()).map_err(Error::internal)?;
        let jwk = signer.jwk();
        let verifier = Verifier::new(clock.clone());
        verifier.set_keys(std::slice::from_ref(&jwk));

        // This service admits calls like every other, only that it asks itself for keys and snapshots.
        let fetch_keys: auth::FetchKeys = Arc::new(move || {
            let keys = vec![jwk.clone()];
            Box::pin(async move { Ok(keys) })
        });
        let (snapshot_db, snapshot_clock, snapshot_verifier) = (db.clone(), clock.clone(), verifier.clone());
        let fetch_snapshot: auth::FetchSnapshot = Arc::new(move |token, if_version| {
            let (db, clock, verifier) =
                (snapshot_db.clone(), snapshot_clock.clone(), snapshot_verifier.clone());
            Box::pin(async move {
                let claims = verifier.verify(token.expose_secret()).map_err(|e| {
                    Error::unauthenticated(Reason::TOKEN_INVALID, "the access token is not valid")
                        .with_source(e)
                })?;
                get_snapshot::of(&db, &clock, &claims, if_version).await.map_err(Error::from)
            })
        });
        Ok(Arc::new(Self {
            passwords: Passwords::new(passwords, entropy.clone())?,
            succession: Succession::derived_from(&signing_key)?,
            pages: CursorKey::derived_from(&signing_key),
            recorder: Recorder { clock: clock.clone(), key: audit_key },
            gate: Gate::new(verifier, fetch_keys, fetch_snapshot),
            db,
            clock,
            entropy,
            signer,
            settle,
            service_secrets,
            sign_ups,
        }))
    }

    /// One slice of the clean-up, as the service does by itself every minute; how many rows went.
    pub async fn clean_up_slice(&self, shutdown: &CancellationToken) -> Result<u64, DbError> {
        cleanup::slice(&self.db, self.clock.now(), shutdown).await
    }

    /// Removes what has expired, once over all tenants; how many rows went.
    pub async fn clean_up(&self, shutdown: &CancellationToken) -> Result<u64, DbError> {
        cleanup::once(&self.db, self.clock.now(), shutdown).await
    }
}
