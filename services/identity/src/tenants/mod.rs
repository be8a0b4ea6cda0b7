//! Organisations.

pub(crate) mod sign_up;
pub(crate) mod store;
