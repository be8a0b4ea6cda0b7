#![doc = include_str!("../README.md")]

mod header;
mod locks;
mod phases;
mod release;
mod statements;

pub use header::{Header, HeaderError, Phase, without_notes};
pub use locks::{Blocks, Lasts, Lock, locks};
pub use phases::{Breach, breaches};
pub use release::Release;
pub use statements::{Statement, statements};
