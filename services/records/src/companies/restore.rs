//! Takes a company out of the trash.

use auth::Context;
use error::Error;
use prost::Message;
use proto::records::v1 as pb;
use record::restore;
use tonic::Response;

use super::{COMPANY, convert};
use crate::App;

const RPC: &str = <pb::RestoreCompanyRequest as proto::Rpc>::NAME;

/// Takes a company out of the trash.
#[tracing::instrument(name = "records.companies.restore", skip_all)]
pub(crate) async fn restore(
    app: &App,
    cx: &Context,
    request: pb::RestoreCompanyRequest,
) -> Result<Response<pb::RestoreCompanyResponse>, Error> {
    let answer = restore::restore(&app.env, cx, &COMPANY, RPC, request.encode_to_vec(), &request.id).await?;
    let company = Some(convert::to_wire(answer.view(), None)?);
    Ok(answer.respond(cx, pb::RestoreCompanyResponse { company }))
}
