//! The activities service on a real PostgreSQL, called as the gateway calls it.

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
mod times;
pub(crate) mod world;
