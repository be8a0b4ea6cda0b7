//! Child commands, cargo first: run at the root, ended when we are interrupted.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use testkit::Progress;

/// The cargo that runs us, at the root of the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(crate::root()).stdin(Stdio::null());
    command
}

/// Runs to the end; a status other than success is an error. Its standard output goes to standard error, which
/// belongs to progress: standard output is for results.
pub(crate) fn run(mut command: Command, progress: &Progress) -> Result<()> {
    let what = describe(&command);
    command.stdout(std::io::stderr());
    let mut child = command.spawn().with_context(|| what.clone())?;
    let status = wait(&mut child, progress)?;
    if !status.success() {
        bail!("{what}: {status}");
    }
    Ok(())
}

/// Runs to the end and hands each line of standard output to `line`; gives whether it succeeded.
pub(crate) fn lines(
    mut command: Command,
    progress: &Progress,
    mut line: impl FnMut(&str) + Send,
) -> Result<bool> {
    let what = describe(&command);
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| what.clone())?;
    let output = child.stdout.take().context("standard output is piped")?;
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || -> Result<()> {
            for text in BufReader::new(output).lines() {
                line(&text?);
            }
            Ok(())
        });
        let status = wait(&mut child, progress);
        reader.join().map_err(|_| anyhow!("the reader has panicked"))??;
        Ok(status?.success())
    })
}

fn wait(child: &mut Child, progress: &Progress) -> Result<std::process::ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if let Err(cancelled) = progress.check() {
            child.kill()?;
            child.wait()?;
            return Err(cancelled);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn describe(command: &Command) -> String {
    let words = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    let name = std::path::Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    std::iter::once(name.into_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_arrive_and_a_failure_is_told() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two; exit 4"]);
        let mut seen = Vec::new();
        let ok = lines(command, &Progress::silent(), |line| seen.push(line.to_owned())).unwrap();
        assert!(!ok);
        assert_eq!(seen, ["one", "two"]);
    }

    #[test]
    fn an_interrupted_command_is_ended() {
        let progress = Progress::silent();
        progress.cancel();
        let mut command = Command::new("sleep");
        command.arg("60");
        assert_eq!(run(command, &progress).unwrap_err().to_string(), "interrupted");
    }
}
