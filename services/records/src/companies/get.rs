//! Shows one company.

use auth::Context;
use error::Error;
use proto::records::v1 as pb;
use record::get;
use tonic::Response;

use super::{COMPANY, convert};
use crate::App;

/// Shows one live company that the caller may see.
#[tracing::instrument(name = "records.companies.get", skip_all)]
pub(crate) async fn get(
    app: &App,
    cx: &Context,
    request: pb::GetCompanyRequest,
) -> Result<Response<pb::GetCompanyResponse>, Error> {
    let answer = get::get(&app.env, cx, &COMPANY, &request.id, &request.fields, &request.include).await?;
    let company = Some(convert::to_wire(answer.view(), answer.access.clone())?);
    Ok(answer.respond(cx, pb::GetCompanyResponse { company }))
}
