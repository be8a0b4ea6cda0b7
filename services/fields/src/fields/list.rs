//! `ListFields`.

use auth::Context;
use db::TenantTx;
use prost::Message;
use proto::fields::v1::{ListFieldsRequest, ListFieldsResponse};

use super::definition::{Definition, Object};
use super::{convert, permit, store};
use crate::app::App;

/// Lists the definitions of an object in order of creation, archived ones included.
#[tracing::instrument(name = "fields.fields.list", skip_all)]
pub(crate) async fn list(
    app: &App,
    cx: &Context,
    request: ListFieldsRequest,
) -> error::Result<ListFieldsResponse> {
    permit(cx, "read")?;
    let object = Object::in_path(&request.object)?;
    let size = query::list::page_size(request.page_size)?;
    // What a token is good for: this list of this tenant. Permissions are applied anew on every page.
    let tenant = cx.tenant.id().uuid();
    let list = [&b"fields"[..], tenant.as_bytes(), object.as_str().as_bytes()];
    let after = match request.page_token.as_str() {
        "" => -1,
        token => query::cursor::open_ordinal(&app.cursor_key, &list, token)?,
    };
    let hidden = cx.mask(object.as_str()).hidden_custom_keys();
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    // One more than asked for tells whether there is another page.
    let mut fields = store::list(&mut tx, object, after, size as i64 + 1, &hidden).await?;
    let fits = fitting(&fields);
    let more = fields.len() > size.min(fits);
    fields.truncate(size.min(fits));
    let next_page_token = match fields.last() {
        Some(last) if more => query::cursor::seal_ordinal(&app.cursor_key, &list, last.ordinal),
        _ => String::new(),
    };
    Ok(ListFieldsResponse { fields: fields.iter().map(convert::to_wire).collect(), next_page_token })
}

/// How many fields have at most [`query::list::MAX_PAGE_BYTES`] together; one at least.
fn fitting(fields: &[Definition]) -> usize {
    let mut bytes = 0;
    let too_many = fields.iter().position(|field| {
        bytes += convert::to_wire(field).encoded_len();
        bytes > query::list::MAX_PAGE_BYTES
    });
    too_many.map_or(fields.len(), |at| at.max(1))
}
