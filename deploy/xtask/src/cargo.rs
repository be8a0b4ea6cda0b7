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
    // What the cargo that runs us says about our package is not about theirs. A build script that asks for it (ring's does) would
    // run again whenever a build from here follows one from a shell, and everything that uses it would be built anew.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| OWN.iter().any(|own| name.starts_with(own))) {
            command.env_remove(name);
        }
    }
    command
}

/// Variables in which cargo describes the package that it runs.
const OWN: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];

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
    fn what_cargo_says_about_this_package_is_not_passed_on() {
        let command = cargo(&[]);
        for own in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION_MAJOR"] {
            assert!(std::env::var_os(own).is_some(), "{own}");
            assert!(command.get_envs().any(|(name, value)| name == own && value.is_none()), "{own}");
        }
    }

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
