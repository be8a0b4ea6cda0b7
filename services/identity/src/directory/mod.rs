//! Which organisation a slug names: the one lookup before a tenant is known.

mod slug;
pub(crate) mod store;

use auth::VerifiedTenant;
use uuid::Uuid;

pub(crate) use slug::check as check_slug;

/// The nil tenant, which no organisation has: in it stands what belongs to nobody yet.
pub(crate) fn nobody() -> VerifiedTenant {
    VerifiedTenant::from_directory(Uuid::nil().into())
}
