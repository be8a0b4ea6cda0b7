#![doc = include_str!("../README.md")]

mod access;
mod answer;
mod calls;
mod cells;
pub mod change;
mod check;
mod commit;
mod computed;
pub mod config;
mod conflict;
pub mod custom;
mod custom_json;
pub mod definitions;
mod derived;
mod draft;
mod env;
pub mod fence;
pub mod fields;
mod fill;
mod follow;
mod include;
mod likeness;
mod names;
mod object;
mod patience;
pub mod peer_records;
pub mod peers;
pub mod prepare;
mod purge;
pub mod reference;
pub mod revise;
mod row;
pub mod side_tables;
mod standard;
pub mod store;
pub mod tasks;
pub mod tree;
mod unique;
pub mod view;
mod wire;
pub mod write;

pub mod create;
mod delete;
pub mod get;
pub mod groups;
pub mod list;
pub mod many;
mod merge;
pub mod report;
mod restore;
pub mod update;

#[cfg(test)]
mod fixture;

pub(crate) use answer::Answer;
pub use calls::{
    create, create_unlike, delete, get, list, list_within, restore, update, update_by, update_once,
};
pub use check::check;
pub use commit::commit;
pub use config::MaintenanceConfig;
pub use derived::{DerivedCheck, compare_anew};
pub use draft::{Sent, read_only};
pub use env::Env;
pub use fields::Fields;
pub use fill::{Filled, fill};
pub use include::Include;
pub use likeness::{Alike, Likeness};
pub use names::{Included, names};
pub use object::{Built, Naming, Object, SideTable};
pub use purge::{Purge, Ties};
pub use row::Record;
pub use standard::Standard;
pub use wire::{Reader, Wire};
