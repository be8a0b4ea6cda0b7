//! Starts long-lived processes, each in a group of its own, tied to this process when asked.
//!
//! The kernel sends the "parent died" signal when the *thread* that forked ends. Tests and scoped threads end early,
//! so one thread that lives as long as the process does all the forking, and collects what has ended.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::backing::Account;
use crate::process::ProcessId;

/// A program to run until it is told to end.
pub(crate) struct Daemon<'a> {
    pub(crate) program: &'a Path,
    pub(crate) arguments: Vec<String>,
    /// The whole environment beside `PATH`, `HOME` and `LANG`.
    pub(crate) environment: Vec<(String, String)>,
    /// Working directory and `HOME`.
    pub(crate) directory: &'a Path,
    /// Standard output and error are appended here.
    pub(crate) log: &'a Path,
    pub(crate) account: Option<&'a Account>,
    /// The signal (as `setpriv` spells it) sent when this process dies; `None` lets the program outlive it.
    pub(crate) tied: Option<&'static str>,
}

impl Daemon<'_> {
    pub(crate) fn start(self) -> Result<ProcessId> {
        let mut command = match self.tied.and_then(|signal| Some((signal, setpriv()?))) {
            Some((signal, setpriv)) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", signal, "--"]).arg(self.program);
                command
            }
            None => Command::new(self.program),
        };
        command.args(&self.arguments).env_clear().current_dir(self.directory).process_group(0);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
        command.env("HOME", self.directory).env("LANG", "C.UTF-8").envs(self.environment);
        if let Some(account) = self.account {
            command.uid(account.uid).gid(account.gid);
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log)
            .with_context(|| format!("opening {}", self.log.display()))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let pid = spawn(command).with_context(|| format!("starting {}", self.program.display()))?;
        ProcessId::of(pid).ok_or_else(|| anyhow!("{} ended at once", self.program.display()))
    }
}

/// util-linux's `setpriv`, the way to a parent-death signal without `unsafe`. Elsewhere children are not tied.
fn setpriv() -> Option<&'static Path> {
    ["/usr/bin/setpriv", "/bin/setpriv"].into_iter().map(Path::new).find(|path| path.exists())
}

type Answer = std::io::Result<u32>;

/// A command to spawn, and where its process id goes.
type Request = (Command, Sender<Answer>);

fn spawn(command: Command) -> Result<u32> {
    static THREAD: OnceLock<Mutex<Sender<Request>>> = OnceLock::new();
    let thread = THREAD.get_or_init(|| {
        let (sender, receiver) = channel();
        std::thread::spawn(move || serve(&receiver));
        Mutex::new(sender)
    });
    let (answer, answered) = channel();
    let sender = thread.lock().map_err(|_| anyhow!("the spawner's lock is poisoned"))?.clone();
    sender.send((command, answer)).map_err(|_| anyhow!("the spawner thread has ended"))?;
    Ok(answered.recv().context("the spawner thread has ended")??)
}

fn serve(requests: &Receiver<Request>) {
    let mut children: Vec<Child> = Vec::new();
    loop {
        match requests.recv_timeout(Duration::from_millis(100)) {
            Ok((mut command, answer)) => {
                let spawned = command.spawn().map(|child| {
                    let pid = child.id();
                    children.push(child);
                    pid
                });
                // The asker gives up only with its process.
                if answer.send(spawned).is_err() {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;
    use rustix::process::Signal;

    fn sleeper(dir: &Path) -> ProcessId {
        let daemon = Daemon {
            program: Path::new("/bin/sleep"),
            arguments: vec!["60".to_owned()],
            environment: Vec::new(),
            directory: dir,
            log: &dir.join("log"),
            account: None,
            tied: Some("TERM"),
        };
        daemon.start().unwrap()
    }

    #[test]
    fn a_tied_process_outlives_the_thread_that_asked_for_it() {
        let dir = crate::state::scratch("spawner");
        let process = std::thread::scope(|scope| scope.spawn(|| sleeper(&dir)).join().unwrap());
        // A signal sent at the thread's end would have arrived before these two round trips through the spawner.
        for _ in 0..2 {
            spawn(Command::new("/bin/true")).unwrap();
        }
        assert!(process.alive());
        process.stop(Signal::TERM, Duration::from_secs(5)).unwrap();
        assert!(!process.alive());
        std::fs::remove_dir_all(dir).unwrap();
    }

    const PRETEND: &str = "TESTKIT_PRETEND_PARENT";

    /// Not a test of its own: the next one runs this binary again as a parent that will be killed.
    #[test]
    #[expect(clippy::print_stdout, reason = "the answer to the test that runs it")]
    fn a_pretend_parent_starts_a_tied_process() {
        if let Some(dir) = std::env::var_os(PRETEND) {
            println!("\ntied {}", sleeper(Path::new(&dir)).pid());
            std::thread::sleep(Duration::from_secs(60));
        }
    }

    #[test]
    fn a_tied_process_ends_when_its_parent_is_killed() {
        let dir = crate::state::scratch("parent");
        let mut parent = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "spawner::tests::a_pretend_parent_starts_a_tied_process"])
            .env(PRETEND, &dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
        let pid = lines.find_map(|line| line.unwrap().strip_prefix("tied ")?.parse().ok()).unwrap();
        let child = ProcessId::of(pid).unwrap();
        // `setpriv` must have become the program: before that there is nothing to end it.
        let running = || Ok(std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim() == "sleep");
        crate::Progress::silent().wait("sleep", Duration::from_secs(10), running).unwrap();
        parent.kill().unwrap();
        parent.wait().unwrap();
        crate::Progress::silent().wait("the end", Duration::from_secs(10), || Ok(!child.alive())).unwrap();
        std::fs::remove_dir_all(dir).unwrap();
    }
}
