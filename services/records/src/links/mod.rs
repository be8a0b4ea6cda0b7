//! Which contact belongs to which company.

mod link;
mod list;
mod store;
mod unlink;

use std::collections::{BTreeMap, BTreeSet};

use auth::Context;
use db::{DbError, TenantTx};
use error::Error;
use input::Violations;
use query::RowScope;
use record::Record;
use record::change::{Author, Diff};
use record::definitions::FieldSet;
use record::prepare::{Path, Plan, Proposal, Stored, prepare};
use record::revise::{Following, rewrite};
use record::store::lock_all;
use record::write;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::App;
use crate::contacts::CONTACT;

pub(crate) use link::{MAX_LINKS, link};
pub(crate) use list::list;
pub(crate) use store::{FIRST_COMPANIES, Link, get, put, standing};
pub(crate) use unlink::unlink;

/// Writes the change of a contact's tie: a new version of the contact with the tie before and after.
async fn note(
    tx: &mut TenantTx,
    (app, cx): (&App, &Context),
    set: &FieldSet,
    contact: Record,
    before: Option<&store::Link>,
    after: Option<&store::Link>,
) -> Result<(), Error> {
    let author = Author::of(&app.env, cx);
    let mask = set.mask(&CONTACT, cx.mask(CONTACT.name));
    let (env, author, mask) = (&app.env, &author, &mask);
    let plan = Plan { env, cx, object: &CONTACT, set, mask, author, path: Path::Link };
    let proposal = Proposal::beside(contact, vec![diff(before, after)]);
    let prepared = prepare(tx, &plan, proposal, &mut Stored).await?.map_err(Violations::into_error)?;
    write::update(tx, &plan, prepared, &RowScope::from(cx.reached())).await?;
    Ok(())
}

/// Unties contacts from companies that are about to be purged: those of the first `limit` ties. Says how many ties that were.
pub(crate) async fn untie(
    tx: &mut TenantTx,
    author: &Author,
    companies: &[Uuid],
    limit: usize,
) -> Result<usize, DbError> {
    let found = store::tied(tx, companies, limit as i64).await?;
    // All at once, in the order of ids: nobody else who locks several contacts waits crosswise.
    let contacts: BTreeSet<Uuid> = found.iter().copied().collect();
    let contacts: Vec<Uuid> = contacts.into_iter().collect();
    let mut records = lock_all(tx, &CONTACT, &contacts).await?;
    // Who had one of them meanwhile may have changed its ties; now nobody does.
    let mut by_company: BTreeMap<Uuid, BTreeMap<Uuid, store::Link>> = BTreeMap::new();
    for (contact, link) in store::between(tx, companies, &contacts).await? {
        by_company.entry(link.company_id).or_default().insert(contact, link);
    }
    let mut had_primary: Vec<Uuid> = Vec::new();
    // A contact may be tied to several of them: each is a change of its own.
    for (company, ties) in by_company {
        let contacts: Vec<Uuid> = ties.keys().copied().collect();
        had_primary.extend(ties.iter().filter(|(_, link)| link.is_primary).map(|(contact, _)| *contact));
        let tied = records.iter_mut().filter(|record| ties.contains_key(&record.id));
        let changes =
            tied.map(|record| Following { before: value(ties.get(&record.id)), after: Value::Null, record });
        rewrite(tx, author, &CONTACT, "companies", changes.collect()).await?;
        store::delete_of(tx, company, &contacts).await?;
    }
    // Once all are gone, so that none becomes it that goes next.
    store::make_primary(tx, &had_primary, None).await?;
    Ok(found.len())
}

/// The change of a contact that one of its ties is.
pub(crate) fn diff(before: Option<&store::Link>, after: Option<&store::Link>) -> Diff {
    Diff { field: "companies".to_owned(), before: value(before), after: value(after) }
}

fn value(link: Option<&store::Link>) -> Value {
    link.map_or(
        Value::Null,
        |l| json!({"company_id": l.company_id, "role": l.role, "is_primary": l.is_primary}),
    )
}
