//! What contacts and companies have in common: reading, checking, storing, comparing and hiding.
//!
//! An object (see [`Object`]) says what is its own: its fields, its statements, its side tables. Everything that happens to
//! records of any object stands here once.

pub(crate) mod access;
pub(crate) mod answer;
pub(crate) mod cells;
pub(crate) mod change;
pub(crate) mod conflict;
pub(crate) mod custom;
mod custom_json;
pub(crate) mod definitions;
pub(crate) mod draft;
pub(crate) mod ending;
pub(crate) mod fence;
pub(crate) mod object;
pub(crate) mod points;
pub(crate) mod reference;
pub(crate) mod row;
pub(crate) mod sides;
pub(crate) mod store;
pub(crate) mod tree;
pub(crate) mod unique;
pub(crate) mod view;
pub(crate) mod write;

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod restore;
pub(crate) mod update;

#[cfg(test)]
pub(crate) mod fixture;

pub(crate) use answer::Answer;
pub(crate) use object::{Object, Side, Sql};
pub(crate) use row::{Fields, Record};
