//! How each secret is made, and what of one another takes.

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use config::{ExposeSecret, SecretString};
use db::migrate::LoginRole;
use rand::TryRng;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::needs::ServerFile;
use crate::migrate::DATABASE;

/// The broker's user.
const BROKER_USER: &str = "globcrm";
/// The policies that the fleet expects of its broker.
const DEFINITIONS: &str = include_str!("../../../../deploy/rabbitmq/definitions.json");

/// 64 hex digits: 256 bits, and nothing that a URL or a shell must escape.
pub(super) fn random() -> anyhow::Result<SecretString> {
    Ok(SecretString::from(hex::encode(bytes::<32>()?)))
}

/// A new Ed25519 private key as PKCS#8 version 1 in PEM (RFC 8410, section 7): a fixed header and 32 random bytes.
pub(super) fn signing_key() -> anyhow::Result<SecretString> {
    const HEADER: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let key = [HEADER.as_slice(), &bytes::<32>()?].concat();
    let text = STANDARD.encode(key);
    Ok(SecretString::from(format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----")))
}

/// URL of PostgreSQL's administrator, with a new password.
pub(super) fn administrator(place: &str) -> anyhow::Result<SecretString> {
    Ok(SecretString::from(format!("postgres://postgres:{}@{place}/postgres", random()?.expose_secret())))
}

/// URL of RabbitMQ, with a new password.
pub(super) fn broker(place: &str) -> anyhow::Result<SecretString> {
    Ok(SecretString::from(format!("amqp://{BROKER_USER}:{}@{place}/%2f", random()?.expose_secret())))
}

/// URL of Redis, with a new password.
pub(super) fn cache(place: &str) -> anyhow::Result<SecretString> {
    Ok(SecretString::from(format!("redis://:{}@{place}/0", random()?.expose_secret())))
}

/// The administrator's server with another user, a new password and our database. Options (TLS) stay as they are.
pub(super) fn database(admin: &SecretString, user: &str) -> anyhow::Result<SecretString> {
    let (scheme, rest) = admin.expose_secret().split_once("://").context("is not a URL")?;
    let (before, options) =
        rest.split_once('?').map_or((rest, None), |(before, options)| (before, Some(options)));
    let authority = before.split('/').next().unwrap_or_default();
    let server = authority.rsplit_once('@').map_or(authority, |(_, server)| server);
    let options = options.map(|options| format!("?{options}")).unwrap_or_default();
    let password = random()?;
    let password = password.expose_secret();
    Ok(SecretString::from(format!("{scheme}://{user}:{password}@{server}/{DATABASE}{options}")))
}

/// What a server reads, so that the URL is true.
pub(super) fn server_file(file: ServerFile, url: &SecretString) -> anyhow::Result<SecretString> {
    let login = LoginRole::from_url(url).context("names no user and password")?;
    let password = login.password.expose_secret();
    Ok(SecretString::from(match file {
        ServerFile::Postgres => password.to_owned(),
        ServerFile::Redis => format!("requirepass {password}"),
        ServerFile::Rabbitmq => definitions(&login.name, password)?,
    }))
}

/// Our policies with a user who may do everything in the one virtual host. The password is in it as a salted hash
/// (RabbitMQ's "Credentials and Passwords": salt, then SHA-256 of salt and password, in Base64).
fn definitions(user: &str, password: &str) -> anyhow::Result<String> {
    let mut all: Value = serde_json::from_str(DEFINITIONS).context("deploy/rabbitmq/definitions.json")?;
    let salt = bytes::<4>()?;
    let digest = Sha256::digest([salt.as_slice(), password.as_bytes()].concat());
    let hash = STANDARD.encode([salt.as_slice(), digest.as_slice()].concat());
    let hashing = "rabbit_password_hashing_sha256";
    all["users"] = json!([{"name": user, "password_hash": hash, "hashing_algorithm": hashing, "tags": ""}]);
    all["permissions"] =
        json!([{"user": user, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}]);
    Ok(serde_json::to_string_pretty(&all)?)
}

/// Bytes of the operating system's generator.
fn bytes<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes).context("the random generator of the system")?;
    Ok(bytes)
}
