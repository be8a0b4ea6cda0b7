//! What this service hears from others.

pub(crate) mod fields_changed;
