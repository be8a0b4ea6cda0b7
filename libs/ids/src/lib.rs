#![doc = include_str!("../README.md")]

mod clock;
mod request_id;
mod typed;

pub use clock::{Clock, FixedClock};
pub use request_id::{MOST_REQUEST_ID, request_id};
pub use typed::*;
