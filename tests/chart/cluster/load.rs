//! Requests at an even rate, whatever happens: each is sent at its time, also while others wait for their answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Every so many requests writes.
const WRITES: u64 = 10;
/// Of a wait for answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of the requests so far.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub sent: u64,
    /// How requests failed, and how many so.
    pub failed: BTreeMap<String, u64>,
    /// Contacts whose creation was acknowledged.
    pub created: usize,
    /// Contacts that are there; known at the end.
    pub listed: usize,
}

/// A user who calls all the time.
#[derive(Debug)]
pub struct Load {
    user: User,
    report: watch::Sender<Report>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

#[derive(Clone, Debug)]
struct User {
    http: Client,
    base: String,
    email: String,
    slug: String,
    token: Arc<Mutex<String>>,
}

const PASSWORD: &str = "a password of the load";

impl Load {
    /// Signs up and begins.
    pub async fn start(base: &str, rate: u32) -> Self {
        // A connection for each request, as clients that come and go have.
        let http =
            Client::builder().timeout(Duration::from_secs(10)).pool_max_idle_per_host(0).build().unwrap();
        let slug = format!("load-{}", std::process::id());
        let user = User {
            http,
            base: base.to_owned(),
            email: format!("load@{slug}.test"),
            slug,
            token: Arc::default(),
        };
        let body = json!({"organization": "Load", "slug": user.slug, "email": user.email, "password": PASSWORD, "display_name": "Load"});
        user.enter("/api/v1/signup", &body).await.unwrap();
        let report = watch::Sender::new(Report::default());
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(send_all(user.clone(), rate, report.clone(), stopped));
        Self { user, report, stop, task }
    }

    /// Goes on until so many further requests have been answered.
    pub async fn go_on(&self, further: u64) {
        let until = self.report.borrow().sent + further;
        let mut reports = self.report.subscribe();
        let all = reports.wait_for(|report| report.sent >= until);
        drop(tokio::time::timeout(PATIENCE, all).await.expect("requests are answered"));
    }

    /// So far, after something.
    pub fn report(&self, after: &str) -> Report {
        let report = self.report.borrow().clone();
        println!("after {after}: {} requests, {} failed", report.sent, report.failed.values().sum::<u64>());
        report
    }

    /// Ends it, when the last answers are there, and counts what was created.
    pub async fn stop(self) -> Report {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
        let mut report = self.report.borrow().clone();
        let path = "/api/v1/contacts?count=exact&page_size=1&fields=id";
        let listed = self.user.call(Method::GET, path, None).await.unwrap();
        report.listed = listed["total"]["value"].as_u64().map_or(0, |number| number as usize);
        report
    }
}

async fn send_all(user: User, rate: u32, report: watch::Sender<Report>, stopped: watch::Receiver<bool>) {
    let mut turn = tokio::time::interval(Duration::from_secs(1) / rate);
    let renew = u64::from(rate) * 120;
    let mut open = JoinSet::new();
    for n in 0_u64.. {
        turn.tick().await;
        if *stopped.borrow() {
            break;
        }
        let (user, report) = (user.clone(), report.clone());
        open.spawn(async move {
            let writes = n % WRITES == 0;
            let result = if n % renew == renew - 1 {
                // A token lives five minutes.
                let body = json!({"organization": user.slug, "email": user.email, "password": PASSWORD});
                user.enter("/api/v1/auth/login", &body).await
            } else if writes {
                let body = json!({"first_name": "Load", "last_name": format!("Number {n}")});
                user.call(Method::POST, "/api/v1/contacts", Some(&body)).await.map(drop)
            } else {
                user.call(Method::GET, "/api/v1/contacts?page_size=20", None).await.map(drop)
            };
            report.send_modify(|report| {
                report.sent += 1;
                match result {
                    Ok(()) if writes && n % renew != renew - 1 => report.created += 1,
                    Ok(()) => {}
                    Err(error) => *report.failed.entry(error).or_default() += 1,
                }
            });
        });
        while open.try_join_next().is_some() {}
    }
    open.join_all().await;
}

impl User {
    async fn enter(&self, path: &str, body: &Value) -> Result<(), String> {
        let session = self.call(Method::POST, path, Some(body)).await?;
        let token = session["access_token"].as_str().ok_or("a session without a token")?;
        token.clone_into(&mut self.token.lock().unwrap());
        Ok(())
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let token = self.token.lock().unwrap().clone();
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| format!("{method} {path}: {error:?}"))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| format!("{method} {path}: {error:?}"))?;
        if status != StatusCode::OK && status != StatusCode::CREATED {
            let problem: Value = serde_json::from_str(&text).unwrap_or_default();
            return Err(format!("{method} {path}: {status} {}", problem["reason"]));
        }
        serde_json::from_str(&text).map_err(|error| format!("{method} {path}: {error}"))
    }
}
