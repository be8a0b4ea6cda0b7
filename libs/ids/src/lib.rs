#![doc = include_str!("../README.md")]

mod clock;
mod typed;

pub use clock::{Clock, FixedClock};
pub use typed::*;
