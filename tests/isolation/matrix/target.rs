//! Things that RPCs act on, made fresh in a tenant.

use std::future::Future;
use std::io::Read;
use std::pin::Pin;

use serde_json::Value;

use crate::stage::{Stage, Tenant, text};

/// What is being made: its id as it stands in a path, or another text that goes into a request.
pub type Made<'a> = Pin<Box<dyn Future<Output = String> + Send + 'a>>;

/// Makes one thing in the tenant; the text is used by no other.
pub type Make = for<'a> fn(&'a Stage, &'a Tenant, &'a str) -> Made<'a>;

/// What an RPC's id names.
pub struct Target {
    pub make: Make,
    /// An id of the same form that names nothing.
    pub random: fn() -> String,
}

impl Target {
    /// A thing with a plain id.
    pub const fn new(make: Make) -> Self {
        Self { make, random: random_id }
    }
}

/// A random UUID, version 7 by its look.
pub fn random_id() -> String {
    let mut bytes = [0_u8; 16];
    let mut file = std::fs::File::open("/dev/urandom").expect("random bytes");
    file.read_exact(&mut bytes).expect("random bytes");
    let hex = bytes.iter().fold(String::new(), |text, b| text + &format!("{b:02x}"));
    format!("{}-{}-7{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// The id in an answer.
pub fn created(answer: &Value) -> String {
    text(&answer["id"])
}
