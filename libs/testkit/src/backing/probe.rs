//! Is it ready: by speaking each service's protocol on its port, not by trusting an open socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Instance, Service, Source, docker};
use crate::http;
use crate::progress::Progress;

/// Longest wait for a first start, with initialisation, on a busy machine.
const BOUND: Duration = Duration::from_secs(90);

/// How often it is asked whether a container still runs, which takes a process.
const LOOK: Duration = Duration::from_secs(1);

/// Waits until `instance` serves. Ends soon when it has ended.
pub(super) fn until_ready(service: Service, instance: &Instance, progress: &Progress) -> Result<()> {
    let mut looked = Instant::now();
    progress.wait(service.name(), BOUND, || {
        if ready(service, instance) {
            return Ok(true);
        }
        if instance.source == Source::Local || looked.elapsed() > LOOK {
            looked = Instant::now();
            if !instance.alive() {
                bail!("{} ended before it was ready", service.name());
            }
        }
        Ok(false)
    })
}

pub(super) fn ready(service: Service, instance: &Instance) -> bool {
    let answered = match service {
        Service::Postgres => postgres(instance),
        Service::Rabbitmq => rabbitmq(&instance.url),
        Service::Redis => redis(&instance.url),
    };
    answered.unwrap_or(false)
}

fn connect(url: &str) -> Result<TcpStream> {
    let address = http::parse(url)?.authority.parse().context("an address of our own")?;
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.set_write_timeout(Some(Duration::from_secs(2)))?;
    Ok(stream)
}

/// A start-up message for a user that does not exist.
///
/// A server that is up asks for a password (`R`) or refuses the user (`E`, SQLSTATE class 28);
/// one that is starting or shutting down answers `E` with 57P03. During its first start a container's
/// server does not listen on TCP, so the answer is that of the final server.
fn postgres(instance: &Instance) -> Result<bool> {
    let mut body = Vec::from(196_608_i32.to_be_bytes());
    body.extend_from_slice(b"user\0globcrm_probe\0database\0postgres\0\0");
    let length = i32::try_from(body.len() + 4)?;
    let mut stream = connect(&instance.url)?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(&body)?;
    let mut answer = [0; 256];
    let read = stream.read(&mut answer)?;
    let answer = answer.get(..read).unwrap_or_default();
    let starting = answer.windows(5).any(|window| window == b"57P03");
    Ok(matches!(answer.first(), Some(b'R' | b'E')) && !starting)
}

/// The protocol header is answered with `connection.start` (a method frame, class 10, method 10).
fn rabbitmq(url: &str) -> Result<bool> {
    let mut stream = connect(url)?;
    stream.write_all(b"AMQP\x00\x00\x09\x01")?;
    let mut frame = [0; 11];
    stream.read_exact(&mut frame)?;
    Ok(frame[0] == 1 && frame[7..] == [0, 10, 0, 10])
}

/// `AUTH` and `PING`; while it loads its data it answers `-LOADING`.
fn redis(url: &str) -> Result<bool> {
    let password = http::parse(url)?.password;
    let mut stream = connect(url)?;
    stream.write_all(format!("AUTH {password}\r\nPING\r\n").as_bytes())?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(&answer == b"+OK\r\n+PONG\r\n")
}

/// The last lines that a local instance or a container wrote.
pub(super) fn last_words(instance: &Instance) -> String {
    let text = match (&instance.container, &instance.log) {
        (Some(container), _) => docker::logs(container),
        (None, Some(log)) => String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned(),
        (None, None) => String::new(),
    };
    let lines: Vec<_> = text.lines().collect();
    lines.get(lines.len().saturating_sub(12)..).unwrap_or_default().join("\n")
}
