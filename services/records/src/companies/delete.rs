//! Moves a company to the trash.

use auth::Context;
use error::Error;
use proto::records::v1 as pb;
use record::delete;
use tonic::Response;

use super::COMPANY;
use crate::App;

/// Moves a company to the trash.
#[tracing::instrument(name = "records.companies.delete", skip_all)]
pub(crate) async fn delete(
    app: &App,
    cx: &Context,
    request: pb::DeleteCompanyRequest,
) -> Result<Response<pb::DeleteCompanyResponse>, Error> {
    delete::delete(&app.env, cx, &COMPANY, &request.id).await?;
    Ok(cx.answer(pb::DeleteCompanyResponse {}))
}
