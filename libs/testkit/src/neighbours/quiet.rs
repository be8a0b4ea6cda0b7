//! The quiet organisation at work: it writes a contact, reads what it wrote, changes it and lists, and expects to be served.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::client::{Answer, Connection};
use super::organisation::{Organisation, json_bytes};

/// People who work at once, each on a connection of its own.
const PEOPLE: usize = 4;
/// Contacts that are there before the first measurement.
const STOCK: usize = 200;
/// Of failures, this many are told.
const TOLD: usize = 5;

/// What the quiet one met.
#[derive(Debug, Default)]
pub struct Day {
    /// From when a request was due to the end of its answer.
    pub latencies: Vec<Duration>,
    /// Requests that were not served, or not with what had been written.
    pub failed: u64,
    /// The first of them, in words.
    pub failures: Vec<String>,
}

impl Day {
    /// Adds what another one met.
    pub fn add(&mut self, other: Day) {
        self.latencies.extend(other.latencies);
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.failures.truncate(TOLD);
    }

    fn fail(&mut self, failure: String) {
        self.failed += 1;
        if self.failures.len() < TOLD {
            self.failures.push(failure);
        }
    }
}

/// Gives the organisation its stock of contacts.
pub(super) async fn prepare(quiet: &mut Organisation) -> Result<()> {
    let mut csv = "Last\n".to_owned();
    for n in 0..STOCK {
        csv += &format!("Stock {n}\n");
    }
    quiet.import(csv.into_bytes(), &[("Last", "last_name")], false).await
}

/// Each of the people makes `rounds` of four requests, one each `every`; without it, one after the other.
pub async fn work(quiet: &mut Organisation, rounds: usize, every: Option<Duration>) -> Result<Day> {
    let token: Arc<str> = quiet.token().await?.into();
    let mut people = JoinSet::new();
    for person in 0..PEOPLE {
        let mut connection = Connection::open(&quiet.address, quiet.from).await?;
        let token = token.clone();
        people.spawn(async move {
            let mut day = Day::default();
            // Not all in the same moment.
            let mut due = Instant::now() + every.unwrap_or_default().mul_f64(person as f64 / PEOPLE as f64);
            for round in 0..rounds {
                let name = format!("Person {person} {round}");
                if let Err(error) = contact(&mut connection, &token, &name, every, &mut due, &mut day).await {
                    day.fail(format!("{error:#}"));
                }
            }
            day
        });
    }
    let mut all = Day::default();
    while let Some(day) = people.join_next().await {
        all.add(day.map_err(|error| anyhow!("a person of the quiet one has ended: {error}"))?);
    }
    Ok(all)
}

/// One round: create, read, change, list.
async fn contact(
    connection: &mut Connection,
    token: &str,
    name: &str,
    every: Option<Duration>,
    due: &mut Instant,
    day: &mut Day,
) -> Result<()> {
    let mut step = async |method: Method, path: &str, body: Option<Value>| -> Result<Value> {
        let at = every.map_or_else(Instant::now, |every| {
            *due += every;
            *due
        });
        sleep_until(at).await;
        let body = body.as_ref().map(json_bytes);
        let Answer { status, body } = connection.exchange(method.clone(), path, token, body).await?;
        day.latencies.push(at.elapsed());
        if !(200..300).contains(&status) {
            bail!("{method} {path}: {status} {}", String::from_utf8_lossy(&body));
        }
        Ok(serde_json::from_slice(&body)?)
    };
    let made = step(Method::POST, "/api/v1/contacts", Some(json!({"last_name": name}))).await?;
    let path = format!("/api/v1/contacts/{}", made["id"].as_str().unwrap_or_default());
    let read = step(Method::GET, &path, None).await?;
    if read["last_name"] != name {
        bail!("{path} was written as {name} and read as {read}");
    }
    let changed = step(Method::PATCH, &path, Some(json!({"job_title": "Buyer"}))).await?;
    if changed["version"] != 2 {
        bail!("{path} was changed once and has become {changed}");
    }
    let page = step(Method::GET, "/api/v1/contacts?page_size=20&order_by=created_at%20desc", None).await?;
    if page["contacts"].as_array().map_or(0, Vec::len) != 20 {
        bail!("not the page that was asked for: {page}");
    }
    Ok(())
}
