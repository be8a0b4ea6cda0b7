//! Takes a contact out of the trash.

use auth::Context;
use error::Error;
use prost::Message;
use proto::records::v1 as pb;
use record::restore;
use tonic::Response;

use super::{CONTACT, convert};
use crate::App;

const RPC: &str = <pb::RestoreContactRequest as proto::Rpc>::NAME;

/// Takes a contact out of the trash.
#[tracing::instrument(name = "records.contacts.restore", skip_all)]
pub(crate) async fn restore(
    app: &App,
    cx: &Context,
    request: pb::RestoreContactRequest,
) -> Result<Response<pb::RestoreContactResponse>, Error> {
    let answer = restore::restore(&app.env, cx, &CONTACT, RPC, request.encode_to_vec(), &request.id).await?;
    let contact = Some(convert::to_wire(answer.view(), None)?);
    Ok(answer.respond(cx, pb::RestoreContactResponse { contact }))
}
