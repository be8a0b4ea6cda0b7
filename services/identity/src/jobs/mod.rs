//! Work that runs by itself.

pub(crate) mod cleanup;
mod store;
