//! The pipeline service against PostgreSQL, through its RPCs: token, gate, operation, row-level security.

mod drafts;
mod first;
mod life;
mod publishing;
pub(crate) mod world;
