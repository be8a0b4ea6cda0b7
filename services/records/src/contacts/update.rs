//! Changes a contact.

use auth::Context;
use error::Error;
use proto::records::v1 as pb;
use record::draft::Draft;
use record::update;
use tonic::Response;

use super::{CONTACT, convert, parse};
use crate::App;

/// Changes the members that the update mask names; without a mask those that are set.
#[tracing::instrument(name = "records.contacts.update", skip_all)]
pub(crate) async fn update(
    app: &App,
    cx: &Context,
    request: pb::UpdateContactRequest,
) -> Result<Response<pb::UpdateContactResponse>, Error> {
    let contact = request.contact.unwrap_or_default();
    let read = |names: &[&str]| parse::read(&contact, names, app);
    let draft = Draft::new(request.update_mask, &contact, &contact.custom, &read)?;
    let answer = update::update(&app.env, cx, &CONTACT, &request.id, contact.etag.as_deref(), draft).await?;
    let contact = Some(convert::to_wire(answer.view(), None)?);
    Ok(answer.respond(cx, pb::UpdateContactResponse { contact }))
}
