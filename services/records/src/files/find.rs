//! `FindRecords`: the contacts and companies that rows of a file of another service name.

use std::collections::BTreeMap;

use auth::Context;
use db::TenantTx;
use error::{Error, Reason};
use field_types::FieldError;
use proto::records::v1 as pb;
use query::RowScope;
use uuid::Uuid;

use crate::App;
use crate::companies::wire::domain;
use crate::contacts::{self, CONTACT};
use crate::naming::companies::{NamedCompany, find_all};

/// Most companies, and most e-mail addresses, of one call: each row of a batch names one at most.
const MAX_NAMED: usize = imports::BATCH;

/// Finds them among those that the caller may read, each by what the request says of it. Errors: 400 `TOO_MANY_IDS` above a number that no
/// batch has.
pub(crate) async fn find(
    app: &App,
    cx: &Context,
    request: pb::FindRecordsRequest,
) -> Result<pb::FindRecordsResponse, Error> {
    for (what, number) in [("companies", request.companies.len()), ("e-mail addresses", request.emails.len())]
    {
        if number > MAX_NAMED {
            let text = format!("at most {MAX_NAMED} {what} in one call, and these are {number}");
            return Err(Error::malformed(Reason::TOO_MANY_IDS, text));
        }
    }
    let text = |text: String| (!text.is_empty()).then_some(text);
    let read = |company: pb::CompanyName| {
        Ok(NamedCompany { name: text(company.name), domain: domain(&company.domain)? })
    };
    let named: Vec<Result<NamedCompany, FieldError>> = request.companies.into_iter().map(read).collect();
    let readable: Vec<NamedCompany> = named.iter().flatten().cloned().collect();
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let mut companies = find_all(&mut tx, cx, &readable).await?.into_iter();
    let scope = RowScope::from(&cx.snapshot.predicate(CONTACT.name, "read"));
    let holders = contacts::store::of_addresses(&mut tx, &request.emails, &scope).await?;
    tx.commit().await?;
    let mut contacts: BTreeMap<&str, Vec<Uuid>> = BTreeMap::new();
    for (address, id) in &holders {
        contacts.entry(address).or_default().push(*id);
    }
    let contact = |address: &String| match contacts.get(address.as_str()).map(Vec::as_slice) {
        Some([one]) => found(*one),
        None | Some([]) => {
            let text = "no contact that you may see has this e-mail address";
            missing("email", Reason::REFERENCE_NOT_FOUND, text)
        }
        Some(_) => {
            let text = "several contacts that you may see have this e-mail address; leave the cell empty and add the contact to the deal afterwards";
            missing("email", Reason::REFERENCE_AMBIGUOUS, text)
        }
    };
    let company = |company: &Result<NamedCompany, FieldError>| match company {
        Err(error) => Ok(missing("domain", error.reason, &error.detail)),
        Ok(_) => match companies.next() {
            Some(Err((by, reason, text))) => Ok(missing(by, reason, text)),
            Some(Ok(id)) => Ok(found(id)),
            None => Err(Error::internal("fewer companies were looked up than are named")),
        },
    };
    Ok(pb::FindRecordsResponse {
        companies: named.iter().map(company).collect::<Result<_, _>>()?,
        contacts: request.emails.iter().map(contact).collect(),
    })
}

fn found(id: Uuid) -> pb::FoundRecord {
    pb::FoundRecord { id: id.to_string(), ..Default::default() }
}

fn missing(by: &str, reason: Reason, detail: &str) -> pb::FoundRecord {
    let (by, reason, detail) = (by.to_owned(), reason.as_str().to_owned(), detail.to_owned());
    pb::FoundRecord { id: String::new(), by, reason, detail }
}
