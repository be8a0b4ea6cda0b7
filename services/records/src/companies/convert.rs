//! Companies on the wire.

use error::Error;
use proto::common::v1::Access;
use proto::records::v1 as pb;
use record::view::View;

use crate::contact_points;

/// A company as its caller sees it.
pub(crate) fn to_wire(view: View<'_>, access: Option<Access>) -> Result<pb::Company, Error> {
    let lifecycle =
        view.choice("lifecycle", "LIFECYCLE_").and_then(|name| pb::Lifecycle::from_str_name(&name));
    let source = view.choice("source", "SOURCE_").and_then(|name| pb::Source::from_str_name(&name));
    Ok(pb::Company {
        id: view.id(),
        version: view.version(),
        created_at: view.moment("created_at"),
        created_by: view.text("created_by").unwrap_or_default(),
        updated_at: view.moment("updated_at"),
        updated_by: view.text("updated_by").unwrap_or_default(),
        deleted_at: view.moment("deleted_at"),
        owner_id: view.text("owner_id"),
        team_id: view.text("team_id"),
        source: source.unwrap_or_default() as i32,
        external_ids: view.map("external_ids"),
        tags: view.texts("tags"),
        name: view.text("name"),
        legal_name: view.text("legal_name"),
        domains: view.texts("domains"),
        parent_id: view.text("parent_id"),
        industry: view.text("industry"),
        employee_count: view.integer("employee_count"),
        annual_revenue: view.money("annual_revenue"),
        phones: view.list("phones", contact_points::phone),
        addresses: view.list("addresses", contact_points::address),
        tax_id: view.text("tax_id"),
        description: view.text("description"),
        lifecycle: lifecycle.map(|value| value as i32),
        custom: view.custom()?,
        access,
        etag: None,
    })
}
