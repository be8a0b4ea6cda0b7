//! The hostile organisation of `bench neighbours`, in a process of its own that gives way to all others.
//!
//! A stranger's processor is not the fleet's: made in the same process, the requests of an attack would keep the quiet one's
//! client from its clock, and made beside it at the same rank they would take the processor from the services.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use testkit::neighbours::{Attack, Tally, hostile};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::neighbours::pattern;

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// `host:port` of the gateway
    address: String,
    /// Contacts to settle with
    contacts: usize,
}

/// What the process answers, a line each.
#[derive(Serialize, Deserialize)]
enum Said {
    Settled,
    Begun,
    Ended { begun: u64, served: u64, refused: u64 },
}

/// Reads a pattern's name to begin with it and an empty line to end it, until standard input ends.
pub(super) fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let mut hostile = hostile(&options.address, options.contacts).await?;
        say(&Said::Settled)?;
        let (send, mut orders) = tokio::sync::mpsc::channel(1);
        let read =
            move || std::io::stdin().lines().map_while(Result::ok).try_for_each(|l| send.blocking_send(l));
        let _reader = std::thread::spawn(read);
        let mut attack: Option<Attack> = None;
        while let Some(order) = orders.recv().await {
            if let Some(attack) = attack.take() {
                let Tally { begun, served, refused } = attack.end().await;
                say(&Said::Ended { begun, served, refused })?;
            } else {
                attack = Some(Attack::begin(pattern(&order)?, &mut hostile).await?);
                say(&Said::Begun)?;
            }
        }
        Ok(())
    })
}

/// Threads that only compute, until this is dropped.
pub(super) struct Computing(Arc<AtomicBool>);

impl Computing {
    pub(super) fn begin(threads: usize) -> Self {
        let over = Arc::<AtomicBool>::default();
        for _ in 0..threads {
            let over = over.clone();
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(over)
    }
}

impl Drop for Computing {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn say(said: &Said) -> Result<()> {
    println!("{}", serde_json::to_string(said)?);
    Ok(())
}

/// The process, as the bench holds it; it ends with this.
pub(super) struct Hostile {
    _child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Hostile {
    /// Starts it and waits until its organisation has settled.
    pub(super) async fn start(address: &str, contacts: usize) -> Result<Self> {
        let mut command = Command::new("chrt");
        command.args(["--idle", "0"]).arg(std::env::current_exe()?);
        command.args(["bench", "hostile", address, &contacts.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("the hostile organisation")?;
        let orders = child.stdin.take().context("standard input is piped")?;
        let answers = child.stdout.take().context("standard output is piped")?;
        let mut hostile = Self { _child: child, orders, answers: BufReader::new(answers).lines() };
        match hostile.answer().await? {
            Said::Settled => Ok(hostile),
            Said::Begun | Said::Ended { .. } => bail!("the hostile organisation did not settle"),
        }
    }

    /// Begins a pattern.
    pub(super) async fn begin(&mut self, name: &str) -> Result<()> {
        match self.ask(name).await? {
            Said::Begun => Ok(()),
            Said::Settled | Said::Ended { .. } => bail!("{name} did not begin"),
        }
    }

    /// Ends the pattern; what it got.
    pub(super) async fn end(&mut self) -> Result<Tally> {
        match self.ask("").await? {
            Said::Ended { begun, served, refused } => Ok(Tally { begun, served, refused }),
            Said::Settled | Said::Begun => bail!("the pattern did not end"),
        }
    }

    async fn ask(&mut self, order: &str) -> Result<Said> {
        self.orders.write_all(format!("{order}\n").as_bytes()).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<Said> {
        let line = self.answers.next_line().await?.context("the hostile organisation has ended")?;
        Ok(serde_json::from_str(&line)?)
    }
}
