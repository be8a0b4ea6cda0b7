#![doc = include_str!("../README.md")]

mod document;
mod entries;
mod list;
mod reason;

pub use document::markdown;
pub use reason::{Reason, Use};
