//! Settings that every owner of records has.

use std::str::FromStr;
use std::time::Duration;

use ::config::{Reader, Seconds};
use field_types::phone::Region;

/// When the trash is emptied and derived data is compared.
#[derive(Clone, Copy, Debug)]
pub struct MaintenanceConfig {
    /// How long the trash keeps.
    pub trash_retention: Duration,
    /// Pause between two comparisons of a tenant's derived data.
    pub derived_check_every: Duration,
}

impl MaintenanceConfig {
    /// Reads the settings.
    pub fn read(r: &mut Reader<'_>) -> Option<Self> {
        let retention: Option<Seconds> =
            r.with_default("TRASH_RETENTION", "2592000", "How long deleted records can be restored");
        let every: Option<Seconds> = r.with_default(
            "DERIVED_CHECK_EVERY",
            "86400",
            "Pause between two comparisons of a tenant's derived data (slots, side tables) with its records",
        );
        Some(Self { trash_retention: retention?.0, derived_check_every: every?.0 })
    }
}

/// Where phone numbers without country code belong.
pub fn region(r: &mut Reader<'_>) -> Option<Option<Region>> {
    let code: Option<Option<String>> = r.optional(
        "DEFAULT_REGION",
        "Country (two letters, such as US) for phone numbers without a country code; without it such numbers are refused",
    );
    code.and_then(|code| {
        let region = code.as_deref().map(Region::from_str).transpose().ok();
        if region.is_none() {
            r.refuse("DEFAULT_REGION", "must be a country code of two letters, like US");
        }
        region
    })
}
