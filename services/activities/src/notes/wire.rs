//! A note's message: how it is read and shown.

use auth::FieldMask;
use error::Error;
use prost::Message;
use prost::bytes::Bytes;
use proto::activities::v1 as pb;
use proto::common::v1::{Access, Source};
use record::definitions::FieldSet;
use record::view::View;
use record::{Env, Included, Object, Reader, Sent, Wire};

use super::{NOTE, links, mentions};

/// Most characters of a text.
const MAX_BODY: usize = 50_000;

/// Notes on the wire.
#[derive(Debug)]
pub(crate) enum Note {}

impl Wire for Note {
    type Message = pb::Note;

    fn object() -> &'static Object {
        &NOTE
    }

    fn read(sent: &pb::Note, r: &mut Reader<'_>) {
        r.id("owner_id", &sent.owner_id);
        r.id("team_id", &sent.team_id);
        r.external_ids(&sent.external_ids);
        r.tags(&sent.tags);
        r.lines("body", &sent.body, MAX_BODY);
        r.with("links", |input| links::read(input, &sent.links));
        r.value("pinned", sent.pinned);
    }

    fn show(view: View<'_>, access: Option<Access>) -> Result<pb::Note, Error> {
        let source = view.choice("source", "SOURCE_").and_then(|name| Source::from_str_name(&name));
        Ok(pb::Note {
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
            body: view.text("body"),
            body_html: view.text("body_html").unwrap_or_default(),
            links: view.list("links", links::show),
            pinned: view.flag("pinned"),
            custom: view.custom()?,
            access,
            etag: None,
            mentions: view.list("mentions", mentions::show),
            included: None,
            warnings: Vec::new(),
        })
    }

    fn include(note: &mut pb::Note, mut included: Included) {
        note.included = Some(pb::NoteIncluded { links: included.all("links"), owner: included.one("owner") });
        note.warnings = included.warnings;
    }

    fn custom(sent: &pb::Note) -> &Bytes {
        &sent.custom
    }

    fn custom_mut(sent: &mut pb::Note) -> &mut Bytes {
        &mut sent.custom
    }

    fn etag(sent: &pb::Note) -> Option<&str> {
        sent.etag.as_deref()
    }
}

/// Reads the request of `UpdateNote`, as a change of many.
pub(crate) fn open(env: &Env, wire: Bytes, set: &FieldSet, mask: &FieldMask) -> Result<Sent, Error> {
    let pb::UpdateNoteRequest { note, update_mask, .. } =
        pb::UpdateNoteRequest::decode(wire).map_err(Error::internal)?;
    record::many::sent::<Note>(env, (update_mask, note.as_ref()), set, mask)
}
