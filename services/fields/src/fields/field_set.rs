//! `GetFieldSet`.

use auth::Context;
use db::TenantTx;
use proto::fields::v1::{GetFieldSetRequest, GetFieldSetResponse};

use super::definition::Object;
use super::{convert, limits, store};
use crate::app::App;

/// Gives all definitions of an object to the owner of its records, fields hidden from the caller included.
///
/// Owners ask with the token of whoever writes a record, so no permission on definitions is needed; the method has no REST
/// path, and owners apply the caller's field rules to what they answer.
#[tracing::instrument(name = "fields.fields.get_field_set", skip_all)]
pub(crate) async fn get_field_set(
    app: &App,
    cx: &Context,
    request: GetFieldSetRequest,
) -> error::Result<GetFieldSetResponse> {
    let object = Object::in_path(&request.object)?;
    // One state for both reads: a version must never come with the fields of another.
    let mut tx = TenantTx::begin_snapshot(&app.db, cx.tenant).await?;
    let version = store::object_version(&mut tx, object).await?;
    if version == request.if_version {
        return Ok(GetFieldSetResponse { version, fields: Vec::new() });
    }
    let fields = store::list(&mut tx, object, -1, limits::FIELDS_IN_ALL, &[]).await?;
    Ok(GetFieldSetResponse { version, fields: fields.iter().map(convert::to_projection).collect() })
}
