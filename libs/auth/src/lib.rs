#![doc = include_str!("../README.md")]

mod context;
mod gate;
mod mask;
mod predicate;
mod snapshot;
mod tenant;
mod token;

pub use context::{Call, Context, IfMatch, Principal, PrincipalKind, mark_replayed};
pub use gate::{FetchKeys, FetchSnapshot, Future, Gate, LEASE, Lease, permissions_changed};
pub use mask::{Access, FieldMask};
pub use predicate::{RowFacts, RowPredicate};
pub use snapshot::{Scopes, Snapshot};
pub use tenant::VerifiedTenant;
pub use token::{
    ACCESS_TTL, Claims, MIN_SERVICE_SECRET_BYTES, SERVICE_TTL, ServiceName, Signer, TokenError, Verifier,
};
