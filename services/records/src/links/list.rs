//! Lists a contact's companies.

use auth::Context;
use db::TenantTx;
use error::Error;
use proto::records::v1 as pb;
use query::RowScope;
use record::get::parse_id;
use record::store::reached;
use tonic::Response;

use super::link::{MAX_LINKS, to_wire};
use super::store;
use crate::App;
use crate::companies::COMPANY;
use crate::contacts::CONTACT;

/// The companies of a contact that the caller may see, as far as the caller may see them.
#[tracing::instrument(name = "records.links.list", skip_all)]
pub(crate) async fn list(
    app: &App,
    cx: &Context,
    request: pb::ListContactCompaniesRequest,
) -> Result<Response<pb::ListContactCompaniesResponse>, Error> {
    let contact_id = parse_id(&CONTACT, &request.contact_id)?;
    let mut tx = TenantTx::begin_snapshot(&app.env.db, cx.tenant).await?;
    if reached(&mut tx, &CONTACT, &[contact_id], &RowScope::from(cx.reached())).await?.is_empty() {
        return Err(Error::not_found(CONTACT.not_found));
    }
    let scope = RowScope::from(&cx.snapshot.predicate(COMPANY.name, "read"));
    let links = store::list(&mut tx, contact_id, &scope, MAX_LINKS).await?;
    tx.commit().await?;
    Ok(cx.answer(pb::ListContactCompaniesResponse { companies: links.iter().map(to_wire).collect() }))
}
