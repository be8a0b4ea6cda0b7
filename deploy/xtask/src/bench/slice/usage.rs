//! What a process has used, from `/proc`.

use anyhow::{Context, Result};

/// The kernel counts processor time in hundredths of a second on every platform Linux has (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of processor time of a process since its start, in user and kernel mode.
pub(super) fn cpu(pid: i32) -> Result<f64> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = ticks(&line).with_context(|| format!("the counters of process {pid}"))?;
    Ok(f64::from(ticks) / TICKS_PER_SECOND)
}

/// Fields 14 and 15; the name in brackets may itself hold blanks and brackets.
fn ticks(line: &str) -> Option<u32> {
    let mut fields = line.get(line.rfind(')')? + 1..)?.split_ascii_whitespace();
    let user: u32 = fields.nth(11)?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Resident memory in MiB: all of it, and with pages shared between processes counted in parts.
pub(super) struct Memory {
    pub(super) rss: Option<f64>,
    pub(super) pss: Option<f64>,
}

/// The memory of a process; what cannot be read here is not there.
pub(super) fn memory(pid: i32) -> Memory {
    let read = |file: &str, name: &str| {
        mebibytes(&std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?, name)
    };
    Memory { rss: read("status", "VmRSS:"), pss: read("smaps_rollup", "Pss:") }
}

fn mebibytes(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    let kibibytes: f64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(crate::bench::round(kibibytes / 1024.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_past_a_name_with_blanks_and_brackets() {
        let line = "42 (a) b) S 1 42 42 0 -1 4194560 1 0 0 0 7 5 0 0 20 0 1 0 777";
        assert_eq!(ticks(line), Some(12));
    }

    #[test]
    fn memory_is_in_mebibytes() {
        assert_eq!(mebibytes("Name:\tx\nVmRSS:\t    2048 kB\n", "VmRSS:"), Some(2.0));
        assert!(memory(i32::try_from(std::process::id()).unwrap()).rss.is_some());
    }
}
