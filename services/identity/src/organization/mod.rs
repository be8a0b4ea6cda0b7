//! The organization as its members see it: its settings.

pub(crate) mod convert;
pub(crate) mod get;
pub(crate) mod store;
pub(crate) mod update;

use time::OffsetDateTime;

/// An organization with its settings, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Organization {
    pub(crate) version: i64,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) created_at: OffsetDateTime,
    /// Whether a new contact is refused whose e-mail address another contact has.
    pub(crate) duplicate_check: bool,
}
