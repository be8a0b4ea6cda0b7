//! Changes a contact.

use auth::Context;
use error::Error;
use proto::records::v1 as pb;
use tonic::Response;

use super::{CONTACT, convert, parse};
use crate::App;
use crate::record::draft::{Draft, masked};
use crate::record::{Fields, custom, update};

/// Changes the members that the update mask names; without a mask those that are set.
#[tracing::instrument(name = "records.contacts.update", skip_all)]
pub(crate) async fn update(
    app: &App,
    cx: &Context,
    request: pb::UpdateContactRequest,
) -> Result<Response<pb::UpdateContactResponse>, Error> {
    let contact = request.contact.unwrap_or_default();
    let paths = request.update_mask.unwrap_or_default().paths;
    let (names, with_custom) = if paths.is_empty() { (parse::sent(&contact), true) } else { masked(&paths) };
    let draft = Draft {
        names,
        custom: if with_custom { custom::read(&contact.custom)? } else { Fields::new() },
        read: &|names| parse::read(&contact, names, app),
    };
    let answer = update::update(app, cx, &CONTACT, &request.id, contact.etag.as_deref(), draft).await?;
    let contact = Some(convert::to_wire(answer.view(), None)?);
    Ok(answer.respond(cx, pb::UpdateContactResponse { contact }))
}
