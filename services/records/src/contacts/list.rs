//! Lists contacts.

use auth::Context;
use error::Error;
use proto::records::v1 as pb;
use record::list::{self, Asked};
use tonic::Response;

use super::{CONTACT, convert};
use crate::App;

/// Lists the contacts that the caller may see.
#[tracing::instrument(name = "records.contacts.list", skip_all)]
pub(crate) async fn list(
    app: &App,
    cx: &Context,
    request: pb::ListContactsRequest,
) -> Result<Response<pb::ListContactsResponse>, Error> {
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
    let listed = list::list(&app.env, cx, &CONTACT, asked, convert::to_wire).await?;
    let list::Listed { records: contacts, next_page_token, total, cost } = listed;
    Ok(list::respond(cx, cost, pb::ListContactsResponse { contacts, next_page_token, total }))
}
