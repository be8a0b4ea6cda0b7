//! Which contact belongs to which company.

mod link;
mod list;
mod store;
mod unlink;

use auth::Context;
use db::TenantTx;
use error::Error;
use query::RowScope;
use record::Record;
use record::change::{Author, Diff};
use record::definitions::FieldSet;
use record::write;
use serde_json::{Value, json};

use crate::App;
use crate::contacts::CONTACT;

pub(crate) use link::link;
pub(crate) use list::list;
pub(crate) use unlink::unlink;

/// Writes the change of a contact's tie: a new version of the contact with the tie before and after.
#[allow(clippy::too_many_arguments, reason = "one step of one operation: each argument is another thing")]
async fn note(
    tx: &mut TenantTx,
    app: &App,
    cx: &Context,
    set: &FieldSet,
    contact: &Record,
    before: Option<&store::Link>,
    after: Option<&store::Link>,
) -> Result<(), Error> {
    let author = Author::of(&app.env, cx);
    let scope = RowScope::from(cx.reached());
    let mut next = contact.clone();
    next.version += 1;
    write::touch(&mut next, &author);
    let diff = Diff { field: "companies".to_owned(), before: value(before), after: value(after) };
    write::update(tx, &author, &CONTACT, set, (contact, &next), &scope, vec![diff]).await
}

fn value(link: Option<&store::Link>) -> Value {
    link.map_or(
        Value::Null,
        |l| json!({"company_id": l.company_id, "role": l.role, "is_primary": l.is_primary}),
    )
}
