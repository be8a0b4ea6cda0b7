//! What a variable's text can become.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

/// What a value is, for documents and generated schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Bool,
    /// `host:port` to listen on.
    Address,
    /// A duration in seconds, fractions allowed.
    Seconds,
    /// A path.
    Path,
    /// A secret: also read from the file named by `<NAME>_FILE`.
    Secret,
}

/// A type that a setting can have.
pub trait Value: Sized {
    /// What it is.
    const KIND: Kind;
    /// Reads the text; the error says what is wanted and never repeats the text.
    fn read(text: &str) -> Result<Self, String>;
}

macro_rules! numbers {
    ($($t:ty),*) => {$(
        impl Value for $t {
            const KIND: Kind = Kind::Number;
            fn read(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!("must be a whole number from {} to {}", <$t>::MIN, <$t>::MAX))
            }
        }
    )*};
}
numbers!(u16, u32, u64, usize);

impl Value for String {
    const KIND: Kind = Kind::Text;
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Value for SecretString {
    const KIND: Kind = Kind::Secret;
    fn read(text: &str) -> Result<Self, String> {
        Ok(SecretString::from(text))
    }
}

impl Value for bool {
    const KIND: Kind = Kind::Bool;
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("must be true or false".to_owned()),
        }
    }
}

impl Value for SocketAddr {
    const KIND: Kind = Kind::Address;
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "must be an address and a port, like 0.0.0.0:8080".to_owned())
    }
}

impl Value for PathBuf {
    const KIND: Kind = Kind::Path;
    fn read(text: &str) -> Result<Self, String> {
        Ok(PathBuf::from(text))
    }
}

/// A duration, written in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seconds(pub Duration);

impl Value for Seconds {
    const KIND: Kind = Kind::Seconds;
    fn read(text: &str) -> Result<Self, String> {
        text.parse::<f64>()
            .ok()
            .and_then(|s| Duration::try_from_secs_f64(s).ok())
            .filter(|d| *d <= Duration::from_secs(86_400 * 366))
            .map(Self)
            .ok_or_else(|| "must be a number of seconds, like 30 or 0.5".to_owned())
    }
}

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.as_secs_f64())
    }
}
