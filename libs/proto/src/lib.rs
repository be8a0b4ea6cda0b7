#![doc = include_str!("../README.md")]

/// The encoded `FileDescriptorSet` of every file and its imports, source comments included.
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/descriptors.bin");

pub mod descriptor;
mod event;
mod moment;
mod object;
mod resource;
pub mod rpc;

pub use event::{EventType, event_types};
pub use moment::{moment, timestamp};
pub use object::Object;
pub use resource::{Inside, Member, Resource};
pub use rpc::Rpc;

mod redacted {
    include!("generated/redacted.rs");
}
mod resources {
    include!("generated/resources.rs");
}
mod rpcs {
    include!("generated/rpcs.rs");
}
mod objects {
    include!("generated/objects.rs");
}
pub use objects::OBJECTS;

// The messages and services of every package, in modules of its name.
include!("generated/packages.rs");

/// `google.api`: HTTP mapping and field behaviour.
pub mod google_api {
    pub use super::google::api::*;
}
/// `buf.validate`: the rules the gateway enforces.
pub mod buf_validate {
    pub use super::buf::validate::*;
}
