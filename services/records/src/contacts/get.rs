//! Shows one contact.

use auth::Context;
use error::Error;
use proto::records::v1 as pb;
use record::get;
use tonic::Response;

use super::{CONTACT, convert};
use crate::App;

/// Shows one live contact that the caller may see.
#[tracing::instrument(name = "records.contacts.get", skip_all)]
pub(crate) async fn get(
    app: &App,
    cx: &Context,
    request: pb::GetContactRequest,
) -> Result<Response<pb::GetContactResponse>, Error> {
    let answer = get::get(&app.env, cx, &CONTACT, &request.id, &request.fields, &request.include).await?;
    let contact = Some(convert::to_wire(answer.view(), answer.access.clone())?);
    Ok(answer.respond(cx, pb::GetContactResponse { contact }))
}
