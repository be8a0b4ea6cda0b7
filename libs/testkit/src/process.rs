//! Processes by id and start time, so that a recycled id is never mistaken for the process we knew.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

/// One process for its whole life: the id alone may be given to another process later.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessId {
    pid: i32,
    /// Start in clock ticks after boot: field 22 of `/proc/<pid>/stat`.
    start: u64,
}

impl ProcessId {
    /// The process that has `pid` now.
    pub fn of(pid: u32) -> Option<Self> {
        let pid = i32::try_from(pid).ok()?;
        Some(Self { pid, start: stat(pid)?.start })
    }

    /// This process.
    pub fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// The number.
    pub fn pid(self) -> i32 {
        self.pid
    }

    /// Whether it still runs. A process that ended and was not yet collected does not.
    pub fn alive(self) -> bool {
        stat(self.pid).is_some_and(|now| now.start == self.start && !matches!(now.state, 'Z' | 'X'))
    }

    /// Sends `signal`; nothing happens when the process is gone.
    pub(crate) fn signal(self, signal: Signal) {
        if self.alive()
            && let Some(pid) = Pid::from_raw(self.pid)
            && let Err(error) = rustix::process::kill_process(pid, signal)
            && self.alive()
        {
            eprintln!("signal {signal:?} to process {}: {error}", self.pid);
        }
    }

    /// Sends `signal` to the process and all of its group; the leader must still run.
    pub(crate) fn signal_group(self, signal: Signal) {
        if self.alive()
            && let Some(pid) = Pid::from_raw(self.pid)
            && rustix::process::kill_process_group(pid, signal).is_err()
        {
            // Not a leader of a group: the process alone.
            self.signal(signal);
        }
    }

    /// Asks with `first`, waits up to `bound`, then kills the whole group.
    pub(crate) fn stop(self, first: Signal, bound: Duration) -> Result<()> {
        // A paused process acts on no signal but SIGKILL.
        self.signal_group(Signal::CONT);
        self.signal(first);
        if self.gone_within(bound) {
            return Ok(());
        }
        self.kill()
    }

    /// `kill -9` for the whole group.
    pub(crate) fn kill(self) -> Result<()> {
        self.signal_group(Signal::KILL);
        if !self.gone_within(Duration::from_secs(10)) {
            bail!("process {} survives SIGKILL", self.pid);
        }
        Ok(())
    }

    fn gone_within(self, bound: Duration) -> bool {
        let begin = Instant::now();
        while self.alive() {
            if begin.elapsed() > bound {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }
}

struct Stat {
    state: char,
    start: u64,
}

fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The command name stands in brackets and may itself hold blanks and brackets: fields count from the last one.
fn parse_stat(line: &str) -> Option<Stat> {
    let mut fields = line.get(line.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // `state` is field 3, so field 22 is the 19th after it.
    let start = fields.nth(18)?.parse().ok()?;
    Some(Stat { state, start })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_read_past_a_name_with_blanks_and_brackets() {
        let line = "42 (a) b) c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 1 1 1";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.state, stat.start), ('S', 777));
    }

    #[test]
    fn a_recycled_id_is_not_the_process_we_knew() {
        let mut own = ProcessId::own().unwrap();
        assert!(own.alive());
        own.start += 1;
        assert!(!own.alive());
        // Would end this test run if it reached anybody.
        own.signal(Signal::KILL);
    }

    #[test]
    fn a_process_that_ignores_the_request_is_killed() {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]);
        command.stdout(std::process::Stdio::piped());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line)
            .unwrap();
        let process = ProcessId::of(child.id()).unwrap();
        process.stop(Signal::TERM, Duration::from_millis(100)).unwrap();
        assert!(!process.alive());
        assert!(!child.wait().unwrap().success());
    }
}
