//! The activities service on a real PostgreSQL, called as the gateway calls it.

mod bulk;
mod calendar;
mod computed;
mod following;
mod following_turns;
mod includes;
mod life;
mod listing;
mod machine;
mod notes;
mod recurrence;
mod reminders;
mod timeline;
mod timeline_anew;
mod timeline_bounds;
mod timeline_hidden;
mod timeline_locks;
mod times;
pub(crate) mod world;
