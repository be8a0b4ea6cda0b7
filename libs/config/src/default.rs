//! Defaults that are written where the field is: `#[serde(default = "config::default::u32::<16>")]`.

use std::time::Duration;

use crate::Seconds;

/// The number `N`.
pub const fn u16<const N: u16>() -> u16 {
    N
}

/// The number `N`.
pub const fn u32<const N: u32>() -> u32 {
    N
}

/// The number `N`.
pub const fn u64<const N: u64>() -> u64 {
    N
}

/// The number `N`.
pub const fn usize<const N: usize>() -> usize {
    N
}

/// `N` seconds.
pub const fn seconds<const N: u64>() -> Seconds {
    Seconds(Duration::from_secs(N))
}
