//! Settings that every owner of records has.

use ::config::{Reader, Seconds, Section, default};
use field_types::phone::Region;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// When the trash is emptied and derived data is compared.
#[derive(Deserialize, JsonSchema, Clone, Copy, Debug)]
pub struct MaintenanceConfig {
    /// How long deleted records can be restored.
    #[serde(default = "default::seconds::<2_592_000>")]
    pub trash_retention: Seconds,
    /// Pause between two comparisons of a tenant's derived data (slots, side tables) with its records.
    #[serde(default = "default::seconds::<86_400>")]
    pub derived_check_every: Seconds,
}

impl Section for MaintenanceConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.group()
    }
}

/// Where phone numbers without country code belong.
#[derive(Deserialize, JsonSchema, Clone, Copy, Debug)]
pub struct PhoneConfig {
    /// Country (two letters, such as US) for phone numbers without a country code; without it such numbers are refused.
    #[serde(rename = "default_region", default, deserialize_with = "region")]
    #[schemars(with = "Option<String>", extend("errorMessage" = "must be a country code of two letters, like US"))]
    pub region: Option<Region>,
}

fn region<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Region>, D::Error> {
    let code = String::deserialize(d)?;
    code.parse().map(Some).map_err(|_| serde::de::Error::custom("is not a country"))
}

impl Section for PhoneConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.group()
    }
}
