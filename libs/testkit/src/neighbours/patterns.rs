//! What a hostile caller does, each pattern as some loops that go on until they are stopped.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use super::client::{Connection, connect};
use super::organisation::{Organisation, import, json_bytes};
use super::{Counters, Pattern};

/// Companies with long descriptions that the hostile one has.
pub(super) const COMPANIES: usize = 50;
/// The columns of the file that fills it.
pub(super) const PADDED: [(&str, &str); 3] =
    [("Last", "last_name"), ("Probe", "custom.probe"), ("Pad", "custom.pad")];

/// More than the gateway takes at once, in streams that each connection may have.
const HELD_CONNECTIONS: usize = 12;
const HELD_STREAMS: usize = 45;
/// Loops of the patterns that ask again when they are answered.
const LOOPS: usize = 24;
/// How long a request lives that is broken off: every length in turn.
const LIVES: std::ops::RangeInclusive<u64> = 1..=12;
/// Rows of a file of the import patterns.
const ROWS: usize = 20_000;
const AMPLIFIED_ROWS: usize = 4_000;
const AMPLIFIED_COLUMNS: usize = 40;
/// After a refusal a hostile caller comes back at once, but not in a loop that only burns its own processor.
const AGAIN: Duration = Duration::from_millis(5);

/// What each loop needs.
#[derive(Clone)]
struct Loop {
    address: String,
    from: std::net::IpAddr,
    slug: String,
    token: Arc<str>,
    counters: Arc<Counters>,
}

impl Loop {
    async fn open(&self) -> Connection {
        loop {
            match Connection::open(&self.address, self.from).await {
                Ok(connection) => return connection,
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// Asks again and again over one connection after the other.
    async fn ask(
        self,
        method: Method,
        path: String,
        token: Option<String>,
        body: Option<(&'static str, Bytes)>,
    ) {
        let mut connection = self.open().await;
        let token = token.as_deref().unwrap_or(&self.token).to_owned();
        loop {
            self.counters.begin();
            match connection.exchange(method.clone(), &path, &token, body.clone()).await {
                Ok(answer) if (200..300).contains(&answer.status) => self.counters.end(true),
                Ok(_) => {
                    self.counters.end(false);
                    tokio::time::sleep(AGAIN).await;
                }
                Err(_) => {
                    self.counters.end(false);
                    connection = self.open().await;
                }
            }
        }
    }
}

/// Begins the loops of a pattern, each pattern as a principal of its own: what an earlier one has used up of its limits would
/// else keep this one from its work.
pub(super) async fn begin(
    pattern: Pattern,
    hostile: &mut Organisation,
    counters: &Arc<Counters>,
) -> Result<JoinSet<()>> {
    let one = Loop {
        address: hostile.address.clone(),
        from: hostile.from,
        slug: hostile.slug.clone(),
        token: hostile.key().await?.into(),
        counters: counters.clone(),
    };
    let mut loops = JoinSet::new();
    match pattern {
        Pattern::Heads => {
            (0..HELD_CONNECTIONS).for_each(|_| drop(loops.spawn(heads(one.clone()))));
        }
        Pattern::Readers => {
            (0..HELD_CONNECTIONS).for_each(|_| drop(loops.spawn(readers(one.clone()))));
        }
        Pattern::Resets => (0..10).for_each(|_| drop(loops.spawn(resets(one.clone())))),
        Pattern::Closes => (0..10).for_each(|_| drop(loops.spawn(closes(one.clone())))),
        Pattern::Lists => {
            let filter = (0..25).map(|n| format!("custom.probe%20%3D%20%22q{n}%22")).collect::<Vec<_>>();
            let path = format!("/api/v1/contacts?count=exact&filter={}", filter.join("%20OR%20"));
            for _ in 0..LOOPS {
                loops.spawn(one.clone().ask(Method::GET, path.clone(), None, None));
            }
        }
        Pattern::Imports => {
            let mut csv = "Last\n".to_owned();
            (0..ROWS).try_for_each(|row| writeln!(csv, "Row {row}"))?;
            import_again(&mut loops, one, hostile, csv, &[("Last", "last_name")]).await?;
        }
        Pattern::Amplified => amplified(&mut loops, one, hostile).await?,
        Pattern::Keys => {
            for n in 0..LOOPS {
                let key = format!("gck_{n:032}{n:032}");
                loops.spawn(one.clone().ask(Method::GET, "/api/v1/contacts".to_owned(), Some(key), None));
            }
        }
        Pattern::Guesses => {
            for n in 0..LOOPS {
                let email = format!("person{n}@{}.test", one.slug);
                let guess = json!({"organization": one.slug, "email": email, "password": "not-the-password"});
                let path = "/api/v1/auth/login".to_owned();
                loops.spawn(one.clone().ask(
                    Method::POST,
                    path,
                    Some(String::new()),
                    Some(json_bytes(&guess)),
                ));
            }
        }
    }
    Ok(loops)
}

/// As many heads as the server takes; a new one when one is answered.
async fn heads(one: Loop) {
    loop {
        let mut connection = one.open().await;
        let mut held = VecDeque::new();
        loop {
            one.counters.begin();
            let begun = connection
                .begin(Method::POST, "/api/v1/contacts", &one.token, Some("application/json"))
                .await;
            let Ok(stream) = begun else { break };
            held.push_back(stream);
            if held.len() >= HELD_STREAMS
                && let Some((response, _body)) = held.pop_front()
            {
                // Whatever the answer is, it ends the hold.
                one.counters.end(response.await.is_ok_and(|answer| answer.status().is_success()));
            }
        }
        one.counters.end(false);
        tokio::time::sleep(AGAIN).await;
    }
}

/// Answers of megabytes behind a closed window.
async fn readers(one: Loop) {
    loop {
        let Ok(mut connection) = Connection::with_window(&one.address, one.from, 0).await else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        let mut held = Vec::new();
        for n in 0..HELD_STREAMS {
            // Some of them without credentials: a document of the API is large too.
            let (path, token) = match n % 4 {
                0 => ("/api/v1/openapi.json", ""),
                _ => ("/api/v1/companies?page_size=50", &*one.token),
            };
            one.counters.begin();
            let Ok((response, _)) = connection.begin(Method::GET, path, token, None).await else { break };
            let Ok(answer) = response.await else { break };
            one.counters.end(answer.status().is_success());
            if answer.status().is_success() {
                held.push(answer.into_body());
            }
        }
        // Held until the server cuts them off, one after the other.
        for mut body in held {
            drop(body.data().await);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Streams reset while the call is on its way.
async fn resets(one: Loop) {
    let paths = ["/api/v1/contacts?page_size=1", "/api/v1/companies?page_size=1", "/api/v1/me"];
    let mut connection = one.open().await;
    for (life, path) in LIVES.cycle().zip(paths.into_iter().cycle()) {
        one.counters.begin();
        let begun = connection.begin(Method::GET, path, &one.token, None).await;
        let Ok((response, _)) = begun else {
            connection = one.open().await;
            continue;
        };
        // The stream is reset when its answer is dropped.
        let answered = tokio::time::timeout(Duration::from_millis(life), response).await;
        one.counters.end(answered.is_ok_and(|answer| answer.is_ok_and(|a| a.status().is_success())));
    }
}

/// Sockets closed while the call is on its way.
async fn closes(one: Loop) {
    for life in LIVES.cycle() {
        one.counters.begin();
        let Ok(mut stream) = connect(&one.address, one.from).await else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        let head = format!(
            "GET /api/v1/contacts?page_size=1 HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\r\n",
            one.address, one.token
        );
        let sent = stream.write_all(head.as_bytes()).await;
        tokio::time::sleep(Duration::from_millis(life)).await;
        one.counters.end(sent.is_ok());
    }
}

/// A file whose every mapped cell is wrong.
async fn amplified(loops: &mut JoinSet<()>, one: Loop, hostile: &mut Organisation) -> Result<()> {
    let columns: Vec<String> = (0..AMPLIFIED_COLUMNS).map(|n| format!("n{n}")).collect();
    let fields: Vec<String> = columns.iter().map(|column| format!("custom.{column}")).collect();
    for column in &columns {
        let field = json!({"key": column, "label": column, "type": "integer", "indexed": false});
        // They are there already when the pattern has been seen before.
        drop(hostile.post("/api/v1/objects/contact/fields", &field).await);
    }
    let row = vec!["x"; AMPLIFIED_COLUMNS].join(",");
    let csv = format!("{}\n{}", columns.join(","), format!("{row}\n").repeat(AMPLIFIED_ROWS));
    let mapping: Vec<(&str, &str)> =
        columns.iter().zip(&fields).map(|(column, field)| (column.as_str(), field.as_str())).collect();
    import_again(loops, one, hostile, csv, &mapping).await
}

/// The same file imported again and again, as a dry run.
async fn import_again(
    loops: &mut JoinSet<()>,
    one: Loop,
    hostile: &mut Organisation,
    csv: String,
    mapping: &[(&str, &str)],
) -> Result<()> {
    let upload = hostile.upload(csv.into_bytes()).await?;
    let body = json_bytes(&import(&upload, mapping, true));
    for _ in 0..4 {
        loops.spawn(one.clone().ask(Method::POST, "/api/v1/imports".to_owned(), None, Some(body.clone())));
    }
    Ok(())
}
