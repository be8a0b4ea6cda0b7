//! The roles that transitions name: identity keeps them.

use std::sync::Arc;

use auth::{Context, Future};
use error::Error;
use ids::RoleId;
use rpc::identity::Identity;

/// Asks which of the roles do not exist in the caller's tenant.
pub type AskRoles = Arc<dyn Fn(Context, Vec<RoleId>) -> Future<Result<Vec<RoleId>, Error>> + Send + Sync>;

/// Asks identity.
pub(crate) fn from_identity(identity: Identity) -> AskRoles {
    Arc::new(move |cx, roles| {
        let identity = identity.clone();
        Box::pin(async move { identity.unknown_roles(&cx, &roles).await })
    })
}
