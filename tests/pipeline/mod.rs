//! The pipeline service against PostgreSQL, through its RPCs: token, gate, operation, row-level security.

mod board;
mod bulk;
mod deals;
mod drafts;
mod first;
mod guard;
mod includes;
mod life;
mod mapping;
mod publishing;
mod reports;
mod reports_past;
pub(crate) mod world;
