//! Ties a contact to a company, or changes the tie.

use auth::{Answer, Context};
use db::TenantTx;
use db::idempotency;
use error::{Code, Error, Reason, Violation};
use input::{Mask, Violations, id, line};
use proto::records::v1 as pb;
use proto::timestamp;
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

const RPC: &str = <pb::LinkContactCompanyRequest as proto::Rpc>::NAME;

/// Most ties of one contact.
pub(crate) const MAX_LINKS: i64 = 200;

/// Ties a contact that the caller may change to a company that the caller may see. A tie is a part of its contact: it makes a
/// new version of it, and `If-Match` is about the contact's version.
#[tracing::instrument(name = "records.links.link", skip_all)]
pub(crate) async fn link(
    app: &App,
    cx: &Context,
    request: pb::LinkContactCompanyRequest,
) -> Result<Response<pb::LinkContactCompanyResponse>, Error> {
    let contact_id = parse_id(&CONTACT, &request.contact_id)?;
    let sent = request.link.clone().unwrap_or_default();
    let mut violations = Violations::default();
    let mask = Mask::read(request.update_mask.clone(), &sent, &mut violations);
    let company_id = violations.take("/company_id", id(&sent.company_id));
    let role = sent.role.as_deref().and_then(|role| violations.take("/role", line(role, 100))).flatten();
    let is_primary = sent.is_primary();

    let asked = Asked { contact_id, company_id, mask, role, is_primary, violations };
    let mut tries = Tries::default();
    loop {
        let set = app.env.definitions.for_keys(cx, &CONTACT, []).await?;
        let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
        let result = tie(&mut tx, app, cx, &request, &set, asked.clone()).await;
        match commit(&app.env, tx, result).await {
            Err(error) if tries.again(&error) => fence::renew(&app.env, cx, &CONTACT).await?,
            done => return done,
        }
    }
}

#[derive(Clone)]
struct Asked {
    contact_id: Uuid,
    company_id: Option<Uuid>,
    /// The members sent; the others stay as they are.
    mask: Mask,
    role: Option<String>,
    is_primary: bool,
    violations: Violations,
}

async fn tie(
    tx: &mut TenantTx,
    app: &App,
    cx: &Context,
    request: &pb::LinkContactCompanyRequest,
    set: &FieldSet,
    asked: Asked,
) -> Result<Response<pb::LinkContactCompanyResponse>, Error> {
    let Asked { contact_id, company_id, mask, role, is_primary, mut violations } = asked;
    db::fence::check(tx, cx).await?;
    let claim = idempotency::claim(tx, cx, RPC, request, app.env.clock.now_micros()).await?;
    if let Some(kept) = claim.replayed::<pb::LinkContactCompanyResponse>()? {
        return Ok(Answer::new(kept).again().respond(cx));
    }
    let contact = lock_live(tx, cx, &CONTACT, contact_id, "update").await?;
    cx.check_version(contact.version)?;
    let scope = RowScope::from(&cx.snapshot.predicate(COMPANY.name, "read"));
    if let Some(id) = company_id
        && reached(tx, &COMPANY, &[id], &scope).await?.is_empty()
    {
        violations.push(Violation::reference_not_found("/company_id"));
    }
    violations.into_result()?;
    let company_id = company_id.unwrap_or_default();
    let before = store::get(tx, contact_id, company_id).await?;
    if before.is_none() && store::count(tx, contact_id).await? >= MAX_LINKS {
        let text = format!("a contact is linked to at most {MAX_LINKS} companies");
        return Err(Error::new(Code::FailedPrecondition, Reason::LINK_LIMIT_REACHED, text));
    }
    let new =
        || store::Link { company_id, role: None, is_primary: false, created_at: app.env.clock.now_micros() };
    let mut after = before.clone().unwrap_or_else(new);
    if mask.has("role") {
        after.role = role;
    }
    if mask.has("is_primary") {
        after.is_primary = is_primary;
    }
    if before.as_ref() != Some(&after) {
        let was_primary = before.as_ref().is_some_and(|link| link.is_primary);
        if after.is_primary {
            store::clear_primary(tx, contact_id).await?;
        }
        store::put(tx, cx.principal.id, &[(contact_id, after.clone())]).await?;
        if was_primary && !after.is_primary {
            store::make_primary(tx, &[contact_id], Some(company_id)).await?;
        }
        note(tx, (app, cx), set, contact, before.as_ref(), Some(&after)).await?;
    }
    let answer = pb::LinkContactCompanyResponse { link: Some(to_wire(&after)) };
    claim.keep(tx, &answer).await?;
    Ok(cx.answer(answer))
}

/// A tie on the wire.
pub(super) fn to_wire(link: &store::Link) -> pb::ContactCompany {
    pb::ContactCompany {
        company_id: link.company_id.to_string(),
        role: link.role.clone(),
        is_primary: Some(link.is_primary),
        created_at: Some(timestamp(link.created_at)),
    }
}
