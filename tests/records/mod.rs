//! The records service on a real PostgreSQL, called as the gateway calls it.

mod claims;
mod companies;
mod conflicts;
mod dry_runs;
mod duplicates;
mod ending;
mod forgetting;
mod guards;
mod import_claims;
mod import_files;
pub(crate) mod imports;
mod indexing;
mod links;
mod lists;
mod operations;
pub(crate) mod plans;
mod purge_turns;
mod purging;
mod retention;
mod retention_plans;
mod trash;
mod tree;
mod visibility;
mod ways;
pub(crate) mod world;
mod writes;
