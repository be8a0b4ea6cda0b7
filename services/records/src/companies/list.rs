//! Lists companies.

use auth::Context;
use error::Error;
use proto::records::v1 as pb;
use record::list::{self, Asked};
use tonic::Response;

use super::{COMPANY, convert};
use crate::App;

/// Lists the companies that the caller may see.
#[tracing::instrument(name = "records.companies.list", skip_all)]
pub(crate) async fn list(
    app: &App,
    cx: &Context,
    request: pb::ListCompaniesRequest,
) -> Result<Response<pb::ListCompaniesResponse>, Error> {
    let asked = Asked {
        filter: &request.filter,
        order_by: &request.order_by,
        page_size: request.page_size,
        page_token: &request.page_token,
        fields: &request.fields,
        include: &request.include,
        show_deleted: request.show_deleted,
        count: request.count,
    };
    let listed = list::list(&app.env, cx, &COMPANY, asked, convert::to_wire).await?;
    let list::Listed { records: companies, next_page_token, total, cost } = listed;
    Ok(list::respond(cx, cost, pb::ListCompaniesResponse { companies, next_page_token, total }))
}
