//! Passwords: in which form, which are accepted, and how they are hashed.

mod hash;
mod normal;
mod policy;
mod turns;

pub(crate) use hash::{Passwords, hasher};
pub(crate) use normal::Password;
pub(crate) use policy::{MAX_BYTES, MIN_CHARS, choose};
