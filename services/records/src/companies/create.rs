//! Makes a company.

use auth::Context;
use error::Error;
use prost::Message;
use proto::records::v1 as pb;
use record::create;
use record::draft::Draft;
use tonic::Response;

use super::{COMPANY, convert, parse};
use crate::App;

const RPC: &str = <pb::CreateCompanyRequest as proto::Rpc>::NAME;

/// Makes a company of what was sent; the owner is the caller when none is named.
#[tracing::instrument(name = "records.companies.create", skip_all)]
pub(crate) async fn create(
    app: &App,
    cx: &Context,
    request: pb::CreateCompanyRequest,
) -> Result<Response<pb::CreateCompanyResponse>, Error> {
    let kept = request.encode_to_vec();
    let company = request.company.unwrap_or_default();
    let read = |names: &[&str]| parse::read(&company, names, app);
    let draft = Draft::new(None, &company, &company.custom, &read)?;
    let answer = create::create(&app.env, cx, &COMPANY, RPC, kept, draft).await?;
    let company = Some(convert::to_wire(answer.view(), None)?);
    Ok(answer.respond(cx, pb::CreateCompanyResponse { company }))
}
