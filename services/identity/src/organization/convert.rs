//! Organizations on the wire and in the audit log.

use auth::Context;
use proto::identity::v1 as pb;
use proto::timestamp;
use serde_json::{Value, json};

use super::Organization;

pub(crate) fn to_proto(cx: &Context, organization: &Organization) -> pb::Organization {
    pb::Organization {
        id: cx.tenant.id().to_string(),
        version: organization.version,
        slug: organization.slug.clone(),
        name: organization.name.clone(),
        created_at: Some(timestamp(organization.created_at)),
        duplicate_check: Some(organization.duplicate_check),
    }
}

pub(crate) fn to_json(organization: &Organization) -> Value {
    json!({"name": organization.name, "duplicate_check": organization.duplicate_check})
}
