//! Commands that are asked a question, and not waited for longer than they may take.

use std::process::Command;
use std::time::{Duration, Instant};

/// Whether a command succeeds in time; one that does not is ended.
pub fn succeeds_within(mut command: Command, bound: Duration) -> bool {
    let Ok(mut child) = command.spawn() else { return false };
    let begin = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if begin.elapsed() < bound => std::thread::sleep(Duration::from_millis(50)),
            Ok(None) | Err(_) => {
                // It may have ended in between; either way it is not one that answers.
                drop(child.kill().and_then(|()| child.wait()));
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_hangs_or_is_not_there_does_not_succeed() {
        let mut sleep = Command::new("sleep");
        sleep.arg("60");
        assert!(!succeeds_within(sleep, Duration::from_millis(100)));
        assert!(!succeeds_within(Command::new("/no/such/program"), Duration::from_secs(10)));
        assert!(succeeds_within(Command::new("true"), Duration::from_secs(10)));
    }
}
