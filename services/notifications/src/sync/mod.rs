//! Changes to follow: the whole state first, then of each record that has changed its latest state, as the caller may see it now.
//!
//! The journal says which records have changed, and the services that keep them say what the caller sees of them; so nothing is shown by permissions
//! of another time. A record that they do not show is to be forgotten, if the caller could see it before one of these changes. Changes of permissions
//! are in no journal of records: a cursor has a mark of what its caller could see (`sight.rs`), and where that is another now, the caller begins anew
//! with the type.

mod changes;
mod cursor;
mod follow;
pub mod objects;
pub mod owners;
mod sight;
mod state;
mod store;

pub(crate) use follow::sync;
pub use owners::{Ask, Asked, Listed, Owners, Shown};
