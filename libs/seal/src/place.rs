//! Where a sealed value lies.

use uuid::Uuid;

/// Where a value lies; its tenant is its key's. A value opens in its own place only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Service, table and column, as `webhooks.endpoint.secret`. It is part of every value: it must never be renamed.
    pub column: &'static str,
    /// The row's id.
    pub row: Uuid,
}

impl Place {
    /// A column of a row.
    pub const fn new(column: &'static str, row: Uuid) -> Self {
        Self { column, row }
    }
}
