//! The proof that a tenant was not taken from anything a client can choose.

use ids::TenantId;

/// A tenant that was verified. There are three ways to one, and no other (design: Tenancy): a verified token, identity's
/// directory at sign-up and login, and a worker's claim of a job or outbox row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VerifiedTenant(TenantId);

impl VerifiedTenant {
    pub(crate) fn from_token(tenant: TenantId) -> Self {
        Self(tenant)
    }

    /// Identity's own: the tenant that `identity.directory` names for a slug, a refresh token, an invitation or an API key,
    /// or the one that sign-up is making.
    pub fn from_directory(tenant: TenantId) -> Self {
        Self(tenant)
    }

    /// A worker's own: the tenant of a job, outbox or inbox row that it has claimed.
    pub fn from_claim(tenant: TenantId) -> Self {
        Self(tenant)
    }

    /// The tenant's id.
    pub fn id(&self) -> TenantId {
        self.0
    }
}
