#![doc = include_str!("../README.md")]

mod check;
mod compile;
pub mod count;
pub mod cursor;
pub mod filter;
pub mod groups;
mod keyset;
pub mod list;
pub mod order;
pub mod page;
mod predicate;
mod refusal;
pub mod rows;
mod schema;
pub mod select;
mod sql;
mod statements;

#[cfg(test)]
mod tests;

pub use check::Limits;
pub use cursor::CursorKey;
pub use list::{Deleted, List, ListRequest, Page, fetch_page};
pub use predicate::RowScope;
pub use schema::{CustomField, Field, Schema, Set, SetKind, Table};
pub use select::{Column, Projection};
pub use sql::{Bind, Sql};
pub use statements::{Following, Statements, Stored};
