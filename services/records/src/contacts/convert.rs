//! Contacts on the wire.

use error::Error;
use proto::common::v1::Access;
use proto::records::v1 as pb;
use record::view::View;

use crate::contact_points;

/// A contact as its caller sees it.
pub(crate) fn to_wire(view: View<'_>, access: Option<Access>) -> Result<pb::Contact, Error> {
    let lifecycle =
        view.choice("lifecycle", "LIFECYCLE_").and_then(|name| pb::Lifecycle::from_str_name(&name));
    let source = view.choice("source", "SOURCE_").and_then(|name| pb::Source::from_str_name(&name));
    Ok(pb::Contact {
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
        first_name: view.text("first_name"),
        last_name: view.text("last_name"),
        full_name: view.text("full_name"),
        job_title: view.text("job_title"),
        department: view.text("department"),
        emails: view.list("emails", contact_points::email),
        phones: view.list("phones", contact_points::phone),
        addresses: view.list("addresses", contact_points::address),
        language: view.text("language"),
        timezone: view.text("timezone"),
        birthday: view.text("birthday"),
        lifecycle: lifecycle.map(|value| value as i32),
        lead_source: view.text("lead_source"),
        score: view.integer("score"),
        do_not_call: view.flag("do_not_call"),
        do_not_email: view.flag("do_not_email"),
        consents: view.list("consents", contact_points::consent),
        last_activity_at: view.moment("last_activity_at"),
        custom: view.custom()?,
        access,
        etag: None,
    })
}
