#![doc = include_str!("../README.md")]

pub mod default;
mod env;
mod fields;
mod file;
mod hot;
mod limit;
mod problem;
mod property;
mod reader;
mod setting;
mod value;

pub use env::{Env, refuse_unknown};
pub use hot::{Hot, Reloader, Reloads};
pub use limit::Limit;
pub use problem::{Problem, Problems};
pub use reader::{Reader, Section, describe, hot_settings, load, load_with_reloads, schema};
pub use secrecy::{ExposeSecret, SecretString};
pub use setting::{Kind, Named, Setting};
pub use value::{Address, FilePath, Seconds, Secret, WatchedFile, checked};

/// Before every variable of ours.
pub const PREFIX: &str = "GLOBCRM_";
