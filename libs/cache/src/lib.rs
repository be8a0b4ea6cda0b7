#![doc = include_str!("../README.md")]

mod expiring;
mod flights;
mod held;

pub use crate::expiring::{Expiring, Time};
pub use crate::held::{Fresh, Held, Terms};

#[cfg(test)]
mod tests;
