//! The time by which the call being served must be answered, known to everything done for it.

use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    static DEADLINE: Instant;
}

/// Runs `future` under a deadline. It does not end the future: that is for whoever sets the deadline.
pub async fn within<F: Future>(deadline: Instant, future: F) -> F::Output {
    DEADLINE.scope(deadline, future).await
}

/// The deadline of the call being served; `None` outside a call (jobs, consumers).
pub fn current() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok()
}

/// The time left; zero when it is over, `None` outside a call.
pub fn remaining() -> Option<Duration> {
    current().map(|deadline| deadline.saturating_duration_since(Instant::now()))
}

/// Reads `grpc-timeout` (`<up to 8 digits><H|M|S|m|u|n>`); `None` when absent or malformed.
pub fn read_grpc_timeout(headers: &::http::HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(value * 3600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

/// `timeout` as the value of `grpc-timeout`: milliseconds below a day, else seconds, rounded up.
pub fn write_grpc_timeout(timeout: Duration) -> String {
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    if millis < 86_400_000 { format!("{millis}m") } else { format!("{}S", timeout.as_secs().min(99_999_999)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_they_are_written() {
        let read = |text: &str| {
            let mut headers = ::http::HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            read_grpc_timeout(&headers)
        };
        for (text, millis) in
            [("1S", 1000), ("250m", 250), ("2000u", 2), ("99999999n", 99), ("1H", 3_600_000)]
        {
            assert_eq!(read(text).unwrap().as_millis(), millis, "{text}");
        }
        for bad in ["", "S", "1", "1x", "-1S", "123456789S", "1 S", "é"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        for timeout in [Duration::from_millis(1), Duration::from_secs(30), Duration::from_secs(90_000)] {
            assert_eq!(read(&write_grpc_timeout(timeout)), Some(timeout));
        }
        assert_eq!(write_grpc_timeout(Duration::from_micros(1)), "1m");
    }

    #[tokio::test(start_paused = true)]
    async fn the_remaining_time_shrinks_and_is_none_outside_a_call() {
        assert_eq!(remaining(), None);
        let deadline = Instant::now() + Duration::from_secs(2);
        within(deadline, async {
            tokio::time::advance(Duration::from_millis(500)).await;
            assert_eq!(remaining(), Some(Duration::from_millis(1500)));
            tokio::time::advance(Duration::from_secs(5)).await;
            assert_eq!(remaining(), Some(Duration::ZERO));
        })
        .await;
    }
}
