//! Settings that every service with operations has.

use ::config::{Reader, Seconds, Section, default};
use schemars::JsonSchema;
use serde::Deserialize;

/// How long operations are kept.
#[derive(Deserialize, JsonSchema, Clone, Copy, Debug)]
pub struct RetentionConfig {
    /// How long operations that are over are kept, with the errors of their rows.
    #[serde(rename = "operation_retention", default = "default::seconds::<2_592_000>")]
    pub of_operations: Seconds,
}

impl Section for RetentionConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.group()
    }
}
