//! Unties a contact from a company.

use auth::Context;
use db::TenantTx;
use error::Error;
use proto::records::v1 as pb;
use query::RowScope;
use record::commit;
use record::definitions::FieldSet;
use record::fence::{self, Tries};
use record::get::parse_id;
use record::store::reached;
use record::update::lock_live;
use tonic::Response;
use uuid::Uuid;

use super::{note, store};
use crate::App;
use crate::companies::COMPANY;
use crate::contacts::CONTACT;

/// Unties a contact that the caller may change from a company that the caller may see. `If-Match` is about the contact.
#[tracing::instrument(name = "records.links.unlink", skip_all)]
pub(crate) async fn unlink(
    app: &App,
    cx: &Context,
    request: pb::UnlinkContactCompanyRequest,
) -> Result<Response<pb::UnlinkContactCompanyResponse>, Error> {
    let contact_id = parse_id(&CONTACT, &request.contact_id)?;
    let company_id = parse_id(&COMPANY, &request.company_id)?;
    let mut tries = Tries::default();
    loop {
        let set = app.env.definitions.for_keys(cx, &CONTACT, []).await?;
        let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
        let result = untie(&mut tx, app, cx, &set, (contact_id, company_id)).await;
        match commit(&app.env, tx, result).await {
            Err(error) if tries.again(&error) => fence::renew(&app.env, cx, &CONTACT).await?,
            done => return done.map(|()| cx.answer(pb::UnlinkContactCompanyResponse {})),
        }
    }
}

async fn untie(
    tx: &mut TenantTx,
    app: &App,
    cx: &Context,
    set: &FieldSet,
    (contact_id, company_id): (Uuid, Uuid),
) -> Result<(), Error> {
    db::fence::check(tx, cx).await?;
    let contact = lock_live(tx, cx, &CONTACT, contact_id, "update").await?;
    cx.check_version(contact.version)?;
    let scope = RowScope::from(&cx.snapshot.predicate(COMPANY.name, "read"));
    let is_visible = !reached(tx, &COMPANY, &[company_id], &scope).await?.is_empty();
    let link = store::get(tx, contact_id, company_id).await?.filter(|_| is_visible);
    let link = link.ok_or_else(|| Error::not_found(COMPANY.not_found))?;
    store::delete(tx, contact_id, company_id).await?;
    if link.is_primary {
        store::make_primary(tx, &[contact_id], None).await?;
    }
    note(tx, (app, cx), set, contact, Some(&link), None).await
}
