#![doc = include_str!("../README.md")]

/// The encoded `FileDescriptorSet` of every file and its imports, source comments included.
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/descriptors.bin");

pub mod descriptor;
mod moment;
mod object;
mod resource;
pub mod rpc;

pub use moment::{moment, timestamp};
pub use object::Object;
pub use resource::{Member, Resource};
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

/// Generated code keeps its own style.
macro_rules! generated {
    ($(#[$doc:meta])* $vis:vis mod $name:ident = $file:literal) => {
        $(#[$doc])*
        #[allow(clippy::all, clippy::pedantic, clippy::allow_attributes_without_reason, missing_docs, unreachable_pub, reason = "generated code keeps its own style")]
        $vis mod $name {
            include!(concat!("generated/", $file));
        }
    };
}

/// `google.api`: HTTP mapping and field behaviour.
pub mod google_api {
    pub use super::google::api::*;
}
/// `buf.validate`: the rules the gateway enforces.
pub mod buf_validate {
    pub use super::buf::validate::*;
}
mod google {
    generated!(pub(crate) mod api = "google.api.rs");
}
mod buf {
    generated!(pub(crate) mod validate = "buf.validate.rs");
}

/// Types and options used by every service.
pub mod common {
    generated!(pub mod v1 = "globcrm.common.v1.rs");
}
/// Event payloads and envelope.
pub mod events {
    generated!(pub mod v1 = "globcrm.events.v1.rs");
}
/// `IdentityService`.
pub mod identity {
    generated!(pub mod v1 = "globcrm.identity.v1.rs");
}
/// `FieldsService`.
pub mod fields {
    generated!(pub mod v1 = "globcrm.fields.v1.rs");
}
/// `ActivitiesService`.
pub mod activities {
    generated!(pub mod v1 = "globcrm.activities.v1.rs");
}
/// `RecordsService`.
pub mod records {
    generated!(pub mod v1 = "globcrm.records.v1.rs");
}
