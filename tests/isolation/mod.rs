//! The isolation matrix: every RPC of every service, by the caller's own id, another tenant's, a random one, without
//! permission and without credentials. What is foreign must answer the same bytes as what does not exist.

mod conditions;
mod internal;
pub mod matrix;
