#![doc = include_str!("../README.md")]

mod frame;
mod job_metrics;
mod peers;
mod rounds;

pub use frame::{Frame, Service};
pub use peers::Peers;
pub use rounds::Rounds;
