//! Types of values that serde and schemars do not have: how they are read, and what their schema says.

use std::time::Duration;

use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};

/// The schema of a secret, for `#[schemars(with = "config::Secret")]`; the field is a `SecretString`, or what is made from one.
#[derive(JsonSchema, Debug)]
#[schemars(with = "String", extend("format" = "password", "writeOnly" = true))]
pub struct Secret;

/// The schema of an address to listen on, for a field that is a `SocketAddr`.
#[derive(JsonSchema, Debug)]
#[schemars(
    with = "String",
    extend("format" = "address", "errorMessage" = "must be an address and a port, like 0.0.0.0:8080")
)]
pub struct Address;

/// The schema of a path, for a field that is a `PathBuf`.
#[derive(JsonSchema, Debug)]
#[schemars(with = "String", extend("format" = "path"))]
pub struct FilePath;

/// The schema of a file whose contents may change while the process runs ([`Reader::watched`](crate::Reader::watched)), for a field that
/// is a `PathBuf`.
#[derive(JsonSchema, Debug)]
#[schemars(with = "String", extend("format" = "file"))]
pub struct WatchedFile;

/// What is wanted where seconds are.
const SECONDS: &str = "must be a number of seconds, like 30 or 0.5";
/// The longest time, in seconds: a leap year.
const LONGEST: u64 = 86_400 * 366;

/// A duration, written in seconds.
#[derive(Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq)]
#[serde(try_from = "String")]
#[schemars(
    with = "f64",
    extend("format" = "seconds", "minimum" = 0, "maximum" = LONGEST, "errorMessage" = SECONDS)
)]
pub struct Seconds(pub Duration);

impl TryFrom<String> for Seconds {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let duration = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        duration.filter(|duration| *duration <= Duration::from_secs(LONGEST)).map(Self).ok_or(SECONDS)
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.subsec_nanos() == 0 {
            serializer.serialize_u64(self.0.as_secs())
        } else {
            serializer.serialize_f64(self.0.as_secs_f64())
        }
    }
}

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.as_secs_f64())
    }
}

/// For `#[serde(deserialize_with = "…")]`: a value that also fits. What is wanted instead stands in the field's schema, as `errorMessage`.
pub fn checked<'de, D, T>(deserializer: D, fits: impl FnOnce(&T) -> bool) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = T::deserialize(deserializer)?;
    if fits(&value) { Ok(value) } else { Err(D::Error::custom("does not fit")) }
}
