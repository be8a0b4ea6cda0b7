//! The fields service against PostgreSQL, through its RPCs: token, gate, operation, row-level security.

mod isolation;
mod life;
mod limits;
mod serve;
mod slots;
pub(crate) mod world;
mod writes;
