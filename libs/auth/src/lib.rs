#![doc = include_str!("../README.md")]

mod answer;
mod context;
mod gate;
mod if_match;
mod mask;
mod predicate;
mod snapshot;
mod tenant;
mod token;

pub use answer::Answer;
pub use context::{API_KEY_PREFIX, Call, Context, Principal, PrincipalKind, version_stale};
pub use gate::{FetchKeys, FetchSnapshot, Future, Gate, LEASE, Lease, permissions_changed};
pub use if_match::{IfMatch, uncoded, version_of};
pub use mask::{Access, FieldMask};
pub use predicate::{RowFacts, RowPredicate};
pub use snapshot::{Scopes, Snapshot};
pub use tenant::VerifiedTenant;
pub use token::{
    ACCESS_TTL, Claims, MIN_SERVICE_SECRET_BYTES, SERVICE_TTL, ServiceName, Signer, TokenError, Verifier,
};
