//! Passwords: which are accepted, and how they are hashed.

mod hash;
mod policy;
mod turns;

pub(crate) use hash::{Passwords, hasher};
pub(crate) use policy::check;
