//! Timelines of contacts, companies and deals: what happened to a record, and to the activities and notes that are about it.
//!
//! - **Fed by events.** The [`Listener`] hears what services say of their records, keeps what timelines need of it in a journal
//!   (`timeline_event`, see `fact.rs`), and makes entries (`timeline_entry`) of it, see `project.rs`. An event that comes again changes nothing.
//! - **Activities and notes** have an entry for each thing that happened to them in the timeline of each record that they are about now. Which
//!   these are is asked of their own tables, so the order in which events come does not matter.
//! - **Made anew** from the journal: `rebuild.rs`. The id of an entry follows from its event, so that it is the same afterwards.
//! - **Read** with the permissions and the field rules of the moment: `page.rs`, `show.rs`.
//! - **Purged.** With a record go its timeline and its journal. The purge stays in the journal, without a value: timelines of records that
//!   were linked to it say so.

mod fact;
mod listener;
mod page;
mod project;
mod purge;
mod rebuild;
mod show;
mod store;
mod take;
mod types;

pub use listener::Listener;
pub use rebuild::{Rebuilt, rebuild};

pub(crate) use listener::{PATTERNS, TASK};
pub(crate) use page::{Asked, page};
