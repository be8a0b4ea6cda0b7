//! A client of the REST API whose tokens end by the demo's clock.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context, bail};
use http::Method;
use reasons::Reason;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::PASSWORD;
use super::own_fleet::Hand;
use crate::rest::Rest;

/// Used up a little before its end.
const TOKEN_LIFE: time::Duration = time::Duration::minutes(4);
/// Between two calls, on the demo's clock: nothing is made at the same time, and rates of calls are kept.
const PACE: time::Duration = time::Duration::seconds(1);
/// An address of this machine that nobody else calls from: attempts that others fail at today would be counted as the demo's.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 86));
/// Of a call while a service is not there.
const TRIES: usize = 10;

/// The administrator of an organization.
pub(super) struct Api {
    rest: Rest,
    hand: Hand,
    slug: &'static str,
    /// Of the access token that `rest` shows.
    tokens: Option<Tokens>,
}

struct Tokens {
    refresh: String,
    until: OffsetDateTime,
}

impl Api {
    pub(super) fn new(base: &str, slug: &'static str, hand: Hand) -> anyhow::Result<Self> {
        Ok(Self { rest: Rest::new(base, Some(ADDRESS), None)?, hand, slug, tokens: None })
    }

    pub(super) const fn slug(&self) -> &'static str {
        self.slug
    }

    /// The time on the demo's clock.
    pub(super) fn now(&self) -> OffsetDateTime {
        self.hand.now()
    }

    /// Makes the organization, unless there is one.
    pub(super) async fn sign_up(&mut self, organization: &str) -> anyhow::Result<bool> {
        let body = json!({
            "organization": organization, "slug": self.slug, "email": self.email("ada"),
            "password": PASSWORD, "display_name": "Ada Admin",
        });
        let (status, answer) = self.call(Method::POST, "/api/v1/signup", Some(&body)).await?;
        match (status, answer["reason"].as_str()) {
            (201, _) => self.keep(&answer)?,
            (409, Some(reason)) if reason == Reason::SLUG_TAKEN.as_str() => return Ok(false),
            _ => bail!("sign-up of {}: {status} {answer}", self.slug),
        }
        Ok(true)
    }

    /// The name of the organization that is there; `None` if its administrator is not the demo's.
    pub(super) async fn organization(&mut self) -> anyhow::Result<Option<String>> {
        if self.log_in().await?.is_none() {
            return Ok(None);
        }
        let organization = self.wanted(Method::GET, "/api/v1/organization", None, 200).await?;
        Ok(organization["name"].as_str().map(str::to_owned))
    }

    pub(super) fn email(&self, name: &str) -> String {
        format!("{name}@{}.test", self.slug)
    }

    /// A POST that must answer 201.
    pub(super) async fn create(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(path, body, 201).await
    }

    /// A POST that must answer so.
    pub(super) async fn send(&mut self, path: &str, body: &Value, wanted: u16) -> anyhow::Result<Value> {
        self.wanted(Method::POST, path, Some(body), wanted).await
    }

    /// A PATCH that must answer 200.
    pub(super) async fn patch(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.wanted(Method::PATCH, path, Some(body), 200).await
    }

    async fn wanted(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        wanted: u16,
    ) -> anyhow::Result<Value> {
        self.hand.wait(PACE);
        if self.tokens.as_ref().is_some_and(|tokens| tokens.until <= self.hand.now()) {
            self.renew().await?;
        }
        let mut tries = 1..=TRIES;
        loop {
            let (status, answer) = self.call(method.clone(), path, body).await?;
            match (status, answer["retry_after"].as_u64()) {
                (status, _) if status == wanted => return Ok(answer),
                (503, Some(seconds)) if tries.next().is_some() => {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                }
                // A session ends some day, however new its token is.
                (401, _) if tries.next().is_some() => self.renew().await?,
                _ => bail!("{method} {path}: {status} {answer}"),
            }
        }
    }

    /// By the refresh token; by the password where the session has ended meanwhile.
    async fn renew(&mut self) -> anyhow::Result<()> {
        self.rest.access_token = None;
        if let Some(tokens) = self.tokens.take() {
            let body = json!({"refresh_token": tokens.refresh});
            let (status, answer) = self.call(Method::POST, "/api/v1/auth/refresh", Some(&body)).await?;
            if status == 200 {
                return self.keep(&answer);
            }
        }
        self.log_in().await?.with_context(|| format!("the demo's password is refused at {}", self.slug))
    }

    /// `None` if the password is refused.
    async fn log_in(&mut self) -> anyhow::Result<Option<()>> {
        let body = json!({"organization": self.slug, "email": self.email("ada"), "password": PASSWORD});
        match self.call(Method::POST, "/api/v1/auth/login", Some(&body)).await? {
            (200, answer) => self.keep(&answer).map(Some),
            (401, _) => Ok(None),
            (status, answer) => bail!("login at {}: {status} {answer}", self.slug),
        }
    }

    fn keep(&mut self, answer: &Value) -> anyhow::Result<()> {
        let text = |name: &str| {
            answer[name].as_str().map(str::to_owned).with_context(|| format!("{name} of the session"))
        };
        self.rest.access_token = Some(text("access_token")?);
        self.tokens = Some(Tokens { refresh: text("refresh_token")?, until: self.hand.now() + TOKEN_LIFE });
        Ok(())
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
        let answer = self.rest.call(method, path, body).await?;
        Ok((answer.status, answer.body))
    }
}
