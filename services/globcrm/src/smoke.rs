//! `globcrm smoke`: a short journey over the REST API of an installation. It passes every service, so whoever has installed or upgraded one
//! learns whether it works; `helm test` runs it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use http::Method;
use serde_json::{Value, json};

use crate::rest::Rest;

/// Until a new organization has its first pipeline, which comes after sign-up by an event.
const PIPELINE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(250);
/// Of a call while a service is not there, which may be for as long as it takes to start.
const TRIES: usize = 10;

/// Where, and as whom.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Address of the REST API, for example http://127.0.0.1:8080
    url: String,
    /// File with the authorities (PEM) that an https:// address is trusted by, instead of the system's
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// Log in to this organization (its slug) instead of making a new one, which stays
    #[arg(long, requires = "email", requires = "password_file")]
    organization: Option<String>,
    /// E-mail address of a user who may create contacts and deals there
    #[arg(long, requires = "organization")]
    email: Option<String>,
    /// File with the user's password
    #[arg(long, requires = "organization")]
    password_file: Option<PathBuf>,
}

/// Fails at the first step that does not go as it should, and says which.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let mut journey = Journey { rest: Rest::new(&options.url, None, options.ca_file.as_deref())? };
    if let (Some(organization), Some(email), Some(file)) =
        (&options.organization, &options.email, &options.password_file)
    {
        let password = std::fs::read_to_string(file)
            .with_context(|| format!("reading the password in {}", file.display()))?;
        let body = json!({"organization": organization, "email": email, "password": password.trim_end()});
        journey.enter("log in", "/api/v1/auth/login", &body, 200).await?;
    } else {
        let slug = format!("smoke-{:010x}", rand::random::<u64>() >> 24);
        let body = json!({
            "organization": "Smoke test", "slug": slug, "email": format!("smoke@{slug}.test"),
            "password": format!("{:032x}", rand::random::<u128>()), "display_name": "Smoke test",
        });
        journey.enter("sign up", "/api/v1/signup", &body, 201).await?;
    }
    journey.contact().await?;
    journey.deal().await?;
    println!("smoke: {} works", options.url);
    Ok(())
}

/// One who is logged in.
struct Journey {
    rest: Rest,
}

impl Journey {
    async fn enter(&mut self, step: &str, path: &str, body: &Value, wanted: u16) -> anyhow::Result<()> {
        let session = self.step(step, Method::POST, path, Some(body), wanted).await?;
        let token = session["access_token"].as_str();
        self.rest.access_token = Some(token.context("the session has no access_token")?.to_owned());
        Ok(())
    }

    /// Created, found by its name, deleted, not found.
    async fn contact(&self) -> anyhow::Result<()> {
        let name = format!("Smoke {:016x}", rand::random::<u64>());
        let body = json!({"first_name": "Zoë", "last_name": name});
        let made = self.step("create a contact", Method::POST, "/api/v1/contacts", Some(&body), 201).await?;
        let id = id_of(&made, "contact")?;
        let (path, list) = (
            format!("/api/v1/contacts/{id}"),
            format!("/api/v1/contacts?filter=last_name%20%3D%20%22{}%22", name.replace(' ', "%20")),
        );
        let found = self.step("list contacts", Method::GET, &list, None, 200).await?;
        if found["contacts"].as_array().is_none_or(|contacts| contacts.iter().all(|one| one["id"] != id)) {
            bail!("list contacts: the one that was just created, {id}, is not among those of its name");
        }
        self.step("delete the contact", Method::DELETE, &path, None, 204).await?;
        self.step("read a deleted contact", Method::GET, &path, None, 404).await?;
        Ok(())
    }

    /// Created in the first stage of a pipeline, moved to the next one, deleted.
    async fn deal(&self) -> anyhow::Result<()> {
        let pipeline = tokio::time::timeout(PIPELINE, self.pipeline()).await;
        let pipeline = pipeline.with_context(|| {
            format!("list pipelines: there is none after {PIPELINE:?}; is the broker away? /readyz of the services says so")
        })??;
        let stages = pipeline["stages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut open = stages.iter().filter(|stage| stage["kind"] == "open");
        let (Some(first), Some(next)) = (open.next(), open.next()) else {
            bail!("list pipelines: {} has not two open stages", pipeline["name"]);
        };
        let body = json!({"pipeline_id": pipeline["id"], "stage_id": first["id"], "name": "Smoke test",
            "amount": {"amount_minor": 100_000, "currency": "EUR"}});
        let made = self.step("create a deal", Method::POST, "/api/v1/deals", Some(&body), 201).await?;
        let path = format!("/api/v1/deals/{}", id_of(&made, "deal")?);
        let body = json!({"stage_id": next["id"]});
        let moved =
            self.step("move the deal", Method::POST, &format!("{path}:move"), Some(&body), 200).await?;
        if moved["stage_id"] != next["id"] {
            bail!("move the deal: it is in stage {} and not in {}", moved["stage_id"], next["id"]);
        }
        self.step("delete the deal", Method::DELETE, &path, None, 204).await?;
        Ok(())
    }

    /// The first one that is there.
    async fn pipeline(&self) -> anyhow::Result<Value> {
        loop {
            let path = "/api/v1/pipelines?state=active";
            let mut listed = self.step("list pipelines", Method::GET, path, None, 200).await?;
            if let Some(first) = listed["pipelines"].get_mut(0) {
                return Ok(first.take());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A call that must answer so. What a busy or starting service refuses with a time is tried again after it.
    async fn step(
        &self,
        step: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
        wanted: u16,
    ) -> anyhow::Result<Value> {
        let mut tries = 1..TRIES;
        loop {
            let answer = self.rest.call(method.clone(), path, body).await.context(step.to_owned())?;
            match (answer.status, answer.body["retry_after"].as_u64()) {
                (status, _) if status == wanted => return Ok(answer.body),
                (503, Some(seconds)) if tries.next().is_some() => {
                    tokio::time::sleep(Duration::from_secs(seconds.min(10))).await;
                }
                (status, _) => {
                    bail!(
                        "{step}: {method} {path} answered {status} instead of {wanted}{}",
                        problem(&answer.body)
                    )
                }
            }
        }
    }
}

fn id_of<'a>(record: &'a Value, what: &str) -> anyhow::Result<&'a str> {
    record["id"].as_str().with_context(|| format!("the {what} has no id"))
}

/// What a problem document says. Nothing else of an answer is shown: it may hold a token.
fn problem(body: &Value) -> String {
    let Some(reason) = body["reason"].as_str() else { return String::new() };
    let detail = body["detail"].as_str().or_else(|| body["title"].as_str()).unwrap_or_default();
    let fields: Vec<&str> =
        body["errors"].as_array().into_iter().flatten().filter_map(|one| one["detail"].as_str()).collect();
    format!(": {reason}: {detail} {}", fields.join("; ")).trim_end().to_owned()
}
