//! One organisation and its administrator, as a client of the public API.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::client::Connection;

const PASSWORD: &str = "correct-horse-battery-staple";
/// Access tokens live for five minutes.
const TOKEN_AGE: Duration = Duration::from_secs(120);
/// How long an import may take.
const IMPORT_BOUND: Duration = Duration::from_secs(300);
const IMPORT_PAUSE: Duration = Duration::from_millis(100);

static NAMES: AtomicU32 = AtomicU32::new(0);

/// An organisation.
#[derive(Debug)]
pub struct Organisation {
    /// `host:port` of the gateway.
    pub address: String,
    /// The loopback address that its requests come from.
    pub from: IpAddr,
    /// Its name in paths and at login.
    pub slug: String,
    token: String,
    token_at: Instant,
}

impl Organisation {
    /// Signs up; the slug begins with `name`.
    pub async fn sign_up(address: &str, from: IpAddr, name: &str) -> Result<Self> {
        let slug = format!("{name}-{}-{}", std::process::id(), NAMES.fetch_add(1, Ordering::Relaxed));
        let body = json!({
            "organization": slug, "slug": slug, "email": format!("admin@{slug}.test"), "password": PASSWORD,
            "display_name": "Neighbour",
        });
        let mut organisation =
            Self { address: address.to_owned(), from, slug, token: String::new(), token_at: Instant::now() };
        let answer = organisation.send("/api/v1/signup", "", json_bytes(&body)).await?;
        organisation.token = text(&answer["access_token"])?;
        Ok(organisation)
    }

    /// An access token that is good for two minutes more.
    pub async fn token(&mut self) -> Result<String> {
        if self.token_at.elapsed() > TOKEN_AGE {
            let email = format!("admin@{}.test", self.slug);
            let body = json!({"organization": self.slug, "email": email, "password": PASSWORD});
            self.token_at = Instant::now();
            let answer = self.send("/api/v1/auth/login", "", json_bytes(&body)).await?;
            self.token = text(&answer["access_token"])?;
        }
        Ok(self.token.clone())
    }

    /// The secret of a new API key: a principal with limits of its own, which nothing has used yet.
    pub async fn key(&mut self) -> Result<String> {
        let scopes = ["contact.read", "contact.create", "contact.import", "company.read"];
        let name = format!("key {}", NAMES.fetch_add(1, Ordering::Relaxed));
        text(&self.post("/api/v1/api-keys", &json!({"name": name, "scopes": scopes})).await?["secret"])
    }

    /// Posts a document; any status but 2xx is an error.
    pub async fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        let token = self.token().await?;
        self.send(path, &token, json_bytes(body)).await
    }

    /// Uploads a file; gives the upload's id.
    pub async fn upload(&mut self, file: Vec<u8>) -> Result<String> {
        let token = self.token().await?;
        text(&self.send("/api/v1/uploads", &token, ("text/csv", file.into())).await?["id"])
    }

    /// Uploads and imports a file of contacts, and waits for its end. `mapping`: columns and fields.
    pub async fn import(&mut self, file: Vec<u8>, mapping: &[(&str, &str)], dry_run: bool) -> Result<()> {
        let upload = self.upload(file).await?;
        let operation = text(&self.post("/api/v1/imports", &import(&upload, mapping, dry_run)).await?["id"])?;
        let begun = Instant::now();
        loop {
            let token = self.token().await?;
            let now =
                self.exchange(Method::GET, &format!("/api/v1/operations/{operation}"), &token, None).await?;
            match now["state"].as_str() {
                Some("succeeded") if now["progress"]["failed"] == 0 => return Ok(()),
                Some("queued" | "running") if begun.elapsed() < IMPORT_BOUND => {}
                _ => bail!("the import of {} did not succeed: {now}", self.slug),
            }
            tokio::time::sleep(IMPORT_PAUSE).await;
        }
    }

    async fn send(&self, path: &str, token: &str, body: (&str, Bytes)) -> Result<Value> {
        self.exchange(Method::POST, path, token, Some(body)).await
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<(&str, Bytes)>,
    ) -> Result<Value> {
        let mut connection = Connection::open(&self.address, self.from).await?;
        let answer = connection.exchange(method, path, token, body).await?;
        if !(200..300).contains(&answer.status) {
            bail!("{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(serde_json::from_slice(&answer.body)?)
    }
}

/// The body that asks for an import of contacts.
pub(super) fn import(upload: &str, mapping: &[(&str, &str)], dry_run: bool) -> Value {
    let mapping: Vec<Value> =
        mapping.iter().map(|(column, field)| json!({"column": column, "field": field})).collect();
    json!({
        "upload_id": upload, "object": "contact", "mapping": mapping, "duplicate_policy": "create",
        "dry_run": dry_run,
    })
}

/// A document as a body.
pub(super) fn json_bytes(body: &Value) -> (&'static str, Bytes) {
    ("application/json", body.to_string().into())
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("no text: {value}"))?.to_owned())
}
