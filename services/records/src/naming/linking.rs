//! The company that a row links its contact to. A link is added to those that are there: none is replaced, and one that is there
//! changes its role if the row names one.

use db::TenantTx;
use error::{Error, Reason};
use imports::{Attached, Change, Held, ReadRow};
use record::change::Diff;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::ROLE;
use crate::links::{self, Link, MAX_LINKS};

/// The id of the company that a row names, once it was found.
pub(super) const COMPANY: &str = "company";

/// Links of contacts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links;

#[tonic::async_trait]
impl Attached for Links {
    /// The link of a new contact: its primary one.
    fn of_new(&self, row: &ReadRow, now: OffsetDateTime) -> Result<Option<Value>, Error> {
        let Some(company_id) = company(row) else { return Ok(None) };
        to_value(&Link { company_id, role: role(row), is_primary: true, created_at: now }).map(Some)
    }

    async fn of_known(
        &self,
        tx: &mut TenantTx,
        held: Held<'_>,
        row: &mut ReadRow,
        now: OffsetDateTime,
    ) -> Result<Option<Change>, Error> {
        let Some(company_id) = company(row) else { return Ok(None) };
        let all: Vec<Link> = held.all.iter().map(read).collect::<Result<_, _>>()?;
        let mut before = all.iter().find(|link| link.company_id == company_id).cloned();
        if before.is_none() && !held.is_new {
            before = links::get(tx, held.record, company_id).await?;
        }
        if let Some(link) = before {
            let after = Link { role: role(row).or_else(|| link.role.clone()), ..link.clone() };
            if after == link {
                return Ok(None);
            }
            return Ok(Some(Change { before: Some(to_value(&link)?), after: to_value(&after)? }));
        }
        let companies: Vec<Uuid> = all.iter().map(|link| link.company_id).collect();
        let (count, has_primary) =
            if held.is_new { (0, false) } else { links::standing(tx, held.record, &companies).await? };
        if count + all.len() as i64 >= MAX_LINKS {
            let text = format!("a contact is linked to at most {MAX_LINKS} companies");
            row.violations.note("/company", Reason::LINK_LIMIT_REACHED, text);
            return Ok(None);
        }
        let is_primary = !has_primary && all.iter().all(|link| !link.is_primary);
        let after = Link { company_id, role: role(row), is_primary, created_at: now };
        Ok(Some(Change { before: None, after: to_value(&after)? }))
    }

    fn is_same(&self, one: &Value, other: &Value) -> bool {
        one["company_id"] == other["company_id"]
    }

    fn diff(&self, before: Option<&Value>, after: Option<&Value>) -> Result<Diff, Error> {
        let (before, after) = (before.map(read).transpose()?, after.map(read).transpose()?);
        Ok(links::diff(before.as_ref(), after.as_ref()))
    }

    async fn put(&self, tx: &mut TenantTx, actor: Uuid, all: &[(Uuid, Value)]) -> Result<(), Error> {
        let links = all.iter().map(|(contact, value)| Ok((*contact, read(value)?)));
        let links: Vec<(Uuid, Link)> = links.collect::<Result<_, Error>>()?;
        Ok(links::put(tx, actor, &links).await?)
    }
}

fn company(row: &ReadRow) -> Option<Uuid> {
    row.found.get(COMPANY).and_then(Value::as_str).and_then(|id| Uuid::try_parse(id).ok())
}

fn role(row: &ReadRow) -> Option<String> {
    row.names.get(ROLE).cloned()
}

fn to_value(link: &Link) -> Result<Value, Error> {
    serde_json::to_value(link).map_err(Error::internal)
}

fn read(value: &Value) -> Result<Link, Error> {
    serde_json::from_value(value.clone()).map_err(Error::internal)
}
