#![doc = include_str!("../README.md")]

mod env;
mod limit;
mod reader;
mod value;

pub use env::{Env, refuse_unknown};
pub use limit::Limit;
pub use reader::{Problem, Problems, Reader, Section, Setting, describe, load};
pub use secrecy::{ExposeSecret, SecretString};
pub use value::{Kind, Seconds, Value};

/// Before every variable of ours.
pub const PREFIX: &str = "GLOBCRM_";
