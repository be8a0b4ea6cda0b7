//! Hashing and verifying with argon2id, bounded: a hash takes tens of milliseconds and megabytes, and anybody may ask for one.

use std::sync::Arc;
use std::time::Duration;

use super::normal::Password;
use super::turns::Turns;
use crate::config::PasswordConfig;
use crate::entropy::Entropy;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use error::{Error, Reason};

/// How long a call waits for its turn.
const TURN_DEADLINE: Duration = Duration::from_secs(5);
/// Calls that may wait for one permit.
const WAITING_PER_PERMIT: usize = 32;

/// Hashes and verifies passwords. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    turns: Turns,
    entropy: Entropy,
    /// The hash of nobody's password: verified where there is no user, so that it takes as long.
    dummy: Arc<str>,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

/// argon2id with these parameters; `None` when they are none.
pub(crate) fn hasher(config: PasswordConfig) -> Option<Argon2<'static>> {
    let params = Params::new(config.memory_kib, config.iterations, config.parallelism, None).ok()?;
    (config.permits > 0).then(|| Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

impl Passwords {
    /// Errors when the parameters are none of argon2id.
    pub(crate) fn new(config: PasswordConfig, entropy: Entropy) -> Result<Self, Error> {
        let argon2 = hasher(config).ok_or_else(|| Error::internal("no parameters of argon2id"))?;
        let dummy = nobody(config, &entropy.bytes()?, &entropy.bytes()?);
        Ok(Self {
            argon2,
            turns: Turns::new(config.permits, config.permits * WAITING_PER_PERMIT),
            entropy,
            dummy: dummy.into(),
        })
    }

    /// The PHC string to store; `share` is whom the work is for, of whom each has its turn. Errors: 503 `LOGIN_BUSY`.
    pub(crate) async fn hash(&self, share: &str, password: Password) -> Result<String, Error> {
        let salt = self.entropy.bytes::<16>()?;
        let argon2 = self.argon2.clone();
        self.in_turn(share, move || hash(&argon2, password.text().as_bytes(), &salt)).await?
    }

    /// Whether this is the password of `stored`. Without `stored`, or a text that can be nobody's password, it takes as long and is never
    /// so. Errors: 503 `LOGIN_BUSY`.
    pub(crate) async fn verify(
        &self,
        share: &str,
        password: Option<Password>,
        stored: Option<String>,
    ) -> Result<bool, Error> {
        let argon2 = self.argon2.clone();
        let dummy = self.dummy.clone();
        self.in_turn(share, move || {
            let text = stored.as_deref().unwrap_or(&dummy);
            let parsed = PasswordHash::new(text).map_err(Error::internal)?;
            let bytes = password.as_ref().map_or(&b""[..], |password| password.text().as_bytes());
            let fits = argon2.verify_password(bytes, &parsed).is_ok();
            Ok(fits && password.is_some() && stored.is_some())
        })
        .await?
    }

    /// Runs the work on a thread that may block, when it is the share's turn. The turn lives as long as the work, also when the
    /// caller has gone.
    async fn in_turn<T: Send + 'static>(
        &self,
        share: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let busy = || Error::unavailable(Reason::LOGIN_BUSY, "too many logins at once; try again");
        let turn = tokio::time::timeout(TURN_DEADLINE, self.turns.take(share)).await.ok().flatten();
        let turn = turn.ok_or_else(busy)?;
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        })
        .await
        .map_err(Error::internal)
    }
}

/// A hash that no password is known for. Written, not computed: a process that starts need not have the memory of a hash.
fn nobody(config: PasswordConfig, salt: &[u8; 16], output: &[u8; 32]) -> String {
    let PasswordConfig { memory_kib, iterations, parallelism, .. } = config;
    let [salt, output] = [&salt[..], output].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    format!("$argon2id$v=19$m={memory_kib},t={iterations},p={parallelism}${salt}${output}")
}

fn hash(argon2: &Argon2<'static>, password: &[u8], salt: &[u8]) -> Result<String, Error> {
    let hash: PasswordHash = argon2.hash_password_with_salt(password, salt).map_err(Error::internal)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords() -> Passwords {
        let config = PasswordConfig { memory_kib: 64, iterations: 1, parallelism: 1, permits: 1 };
        Passwords::new(config, Entropy::system()).unwrap()
    }

    fn secret(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only_and_nobody_has_one() {
        let passwords = passwords();
        let stored = passwords.hash("a", secret("correct horse")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{stored}");
        assert_ne!(
            stored,
            passwords.hash("a", secret("correct horse")).await.unwrap(),
            "every hash has its own salt"
        );
        assert!(passwords.verify("a", Some(secret("correct horse")), Some(stored.clone())).await.unwrap());
        assert!(!passwords.verify("a", Some(secret("correct hors")), Some(stored.clone())).await.unwrap());
        assert!(!passwords.verify("a", Some(secret("anything")), None).await.unwrap());
        assert!(!passwords.verify("a", None, Some(stored)).await.unwrap());
    }

    #[test]
    fn nobodys_hash_takes_as_long_as_any() {
        let config = PasswordConfig::default();
        let dummy = nobody(config, &[1; 16], &[2; 32]);
        let real = hash(&hasher(config).unwrap(), b"p", &[1; 16]).unwrap();
        let shape = |text: &str| text.rsplit_once('$').map(|(front, hash)| (front.to_owned(), hash.len()));
        assert_eq!(shape(&dummy), shape(&real), "parameters, salt and length are those of a real one");
    }

    #[tokio::test]
    async fn more_calls_than_may_wait_are_refused_and_not_queued() {
        let passwords = passwords();
        let passwords = Passwords { turns: Turns::new(1, 0), ..passwords };
        let held = passwords.turns.take("a").await.unwrap();
        assert_eq!(passwords.hash("b", secret("p")).await.unwrap_err().reason(), "LOGIN_BUSY");
        drop(held);
        passwords.hash("b", secret("p")).await.unwrap();
    }

    #[test]
    fn the_default_parameters_are_accepted() {
        assert!(hasher(PasswordConfig::default()).is_some());
        assert!(hasher(PasswordConfig { permits: 0, ..PasswordConfig::default() }).is_none());
    }
}
