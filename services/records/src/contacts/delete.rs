//! Moves a contact to the trash.

use auth::Context;
use error::Error;
use proto::records::v1 as pb;
use record::delete;
use tonic::Response;

use super::CONTACT;
use crate::App;

/// Moves a contact to the trash.
#[tracing::instrument(name = "records.contacts.delete", skip_all)]
pub(crate) async fn delete(
    app: &App,
    cx: &Context,
    request: pb::DeleteContactRequest,
) -> Result<Response<pb::DeleteContactResponse>, Error> {
    delete::delete(&app.env, cx, &CONTACT, &request.id).await?;
    Ok(cx.answer(pb::DeleteContactResponse {}))
}
