//! The pipeline service against PostgreSQL, through its RPCs: token, gate, operation, row-level security.

mod board;
pub(crate) mod bulk;
mod deals;
mod drafts;
mod first;
mod guard;
pub(crate) mod imports;
mod includes;
mod life;
mod mapping;
mod publishing;
mod reports;
mod reports_past;
mod uploads;
pub(crate) mod world;
