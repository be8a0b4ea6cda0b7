//! Makes a contact.

use auth::Context;
use error::Error;
use prost::Message;
use proto::records::v1 as pb;
use record::create;
use record::draft::Draft;
use tonic::Response;

use super::{CONTACT, convert, parse};
use crate::App;

const RPC: &str = <pb::CreateContactRequest as proto::Rpc>::NAME;

/// Makes a contact of what was sent; the owner is the caller when none is named.
#[tracing::instrument(name = "records.contacts.create", skip_all)]
pub(crate) async fn create(
    app: &App,
    cx: &Context,
    request: pb::CreateContactRequest,
) -> Result<Response<pb::CreateContactResponse>, Error> {
    let kept = request.encode_to_vec();
    let contact = request.contact.unwrap_or_default();
    let read = |names: &[&str]| parse::read(&contact, names, app);
    let draft = Draft::new(None, &contact, &contact.custom, &read)?;
    let answer = create::create(&app.env, cx, &CONTACT, RPC, kept, draft).await?;
    let contact = Some(convert::to_wire(answer.view(), None)?);
    Ok(answer.respond(cx, pb::CreateContactResponse { contact }))
}
