//! Changes a company.

use auth::Context;
use error::Error;
use proto::records::v1 as pb;
use record::draft::Draft;
use record::update;
use tonic::Response;

use super::{COMPANY, convert, parse};
use crate::App;

/// Changes the members that the update mask names; without a mask those that are set.
#[tracing::instrument(name = "records.companies.update", skip_all)]
pub(crate) async fn update(
    app: &App,
    cx: &Context,
    request: pb::UpdateCompanyRequest,
) -> Result<Response<pb::UpdateCompanyResponse>, Error> {
    let company = request.company.unwrap_or_default();
    let read = |names: &[&str]| parse::read(&company, names, app);
    let draft = Draft::new(request.update_mask, &company, &company.custom, &read)?;
    let answer = update::update(&app.env, cx, &COMPANY, &request.id, company.etag.as_deref(), draft).await?;
    let company = Some(convert::to_wire(answer.view(), None)?);
    Ok(answer.respond(cx, pb::UpdateCompanyResponse { company }))
}
