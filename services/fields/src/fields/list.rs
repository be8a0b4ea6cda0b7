//! `ListFields`.

use auth::Context;
use db::TenantTx;
use prost::Message;
use proto::fields::v1::{ListFieldsRequest, ListFieldsResponse};
use query::page::{Ordinal, PageRequest};

use super::definition::{Definition, Object};
use super::{convert, store};
use crate::app::App;

/// Lists the definitions of an object in order of creation, archived ones included.
#[tracing::instrument(name = "fields.fields.list", skip_all)]
pub(crate) async fn list(
    app: &App,
    cx: &Context,
    request: ListFieldsRequest,
) -> error::Result<ListFieldsResponse> {
    cx.require_scope_all()?;
    let object = Object::in_path(&request.object)?;
    // What a token is good for: this list of this tenant. Permissions are applied anew on every page.
    let tenant = cx.tenant.id().uuid();
    let list = [&b"fields"[..], tenant.as_bytes(), object.as_str().as_bytes()];
    let page = PageRequest::<Ordinal>::read(&app.cursor_key, &list, request.page_size, &request.page_token)?;
    let hidden = cx.mask(object.as_str()).hidden_custom_keys();
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let mut fields = store::list(&mut tx, object, page.after.0, page.limit(), &hidden).await?;
    let fits = fitting(&fields);
    let next_page_token = page.cut(&mut fields, fits, |field| Ordinal(field.ordinal))?;
    Ok(ListFieldsResponse { fields: fields.iter().map(convert::to_wire).collect(), next_page_token })
}

/// How many fields have at most [`query::list::MAX_PAGE_BYTES`] together. A page has one at least: [`PageRequest::cut`].
fn fitting(fields: &[Definition]) -> usize {
    let mut bytes = 0;
    let too_many = fields.iter().position(|field| {
        bytes += convert::to_wire(field).encoded_len();
        bytes > query::list::MAX_PAGE_BYTES
    });
    too_many.unwrap_or(fields.len())
}
