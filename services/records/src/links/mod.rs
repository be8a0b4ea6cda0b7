//! Which contact belongs to which company.

mod link;
mod list;
mod store;
mod unlink;

use auth::Context;
use db::TenantTx;
use error::Error;
use input::Violations;
use query::RowScope;
use record::Record;
use record::change::{Author, Diff};
use record::definitions::FieldSet;
use record::prepare::{Path, Plan, Proposal, Stored, prepare};
use record::write;
use serde_json::{Value, json};

use crate::App;
use crate::contacts::CONTACT;

pub(crate) use link::link;
pub(crate) use list::list;
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
    let diff = Diff { field: "companies".to_owned(), before: value(before), after: value(after) };
    let proposal = Proposal::beside(contact, vec![diff]);
    let prepared = prepare(tx, &plan, proposal, &mut Stored).await?.map_err(Violations::into_error)?;
    write::update(tx, &plan, prepared, &RowScope::from(cx.reached())).await?;
    Ok(())
}

fn value(link: Option<&store::Link>) -> Value {
    link.map_or(
        Value::Null,
        |l| json!({"company_id": l.company_id, "role": l.role, "is_primary": l.is_primary}),
    )
}
