//! The company that a row links its contact to. A link is added to those that are there: none is replaced, and one that is there
//! changes its role if the row names one.

use db::TenantTx;
use error::{Error, Reason};
use time::OffsetDateTime;
use uuid::Uuid;

use super::overlay::Overlay;
use super::row::ReadRow;
use crate::links::{self, Link, MAX_LINKS};

/// A link that a row makes or changes.
pub(super) struct Linking {
    pub(super) before: Option<Link>,
    pub(super) after: Link,
}

/// The link of a new contact: its primary one.
pub(super) fn new(row: &ReadRow, now: OffsetDateTime) -> Option<Link> {
    let company_id = row.company_id?;
    Some(Link { company_id, role: role(row), is_primary: true, created_at: now })
}

/// What a row makes of the links of a contact; `None` if nothing. One link too many is noted at the row.
pub(super) async fn find(
    tx: &mut TenantTx,
    overlay: &Overlay,
    contact: Uuid,
    row: &mut ReadRow,
    now: OffsetDateTime,
) -> Result<Option<Linking>, Error> {
    let Some(company_id) = row.company_id else { return Ok(None) };
    let held = overlay.links(contact);
    let is_new = overlay.makes(contact);
    let mut before = held.iter().find(|link| link.company_id == company_id).cloned();
    if before.is_none() && !is_new {
        before = links::get(tx, contact, company_id).await?;
    }
    if let Some(link) = before {
        let after = Link { role: role(row).or_else(|| link.role.clone()), ..link.clone() };
        let changes = after != link;
        return Ok(changes.then_some(Linking { before: Some(link), after }));
    }
    let companies: Vec<Uuid> = held.iter().map(|link| link.company_id).collect();
    let (count, has_primary) =
        if is_new { (0, false) } else { links::standing(tx, contact, &companies).await? };
    if count + held.len() as i64 >= MAX_LINKS {
        let text = format!("a contact is linked to at most {MAX_LINKS} companies");
        row.violations.note("/company", Reason::LINK_LIMIT_REACHED, text);
        return Ok(None);
    }
    let is_primary = !has_primary && held.iter().all(|link| !link.is_primary);
    let after = Link { company_id, role: role(row), is_primary, created_at: now };
    Ok(Some(Linking { before: None, after }))
}

fn role(row: &ReadRow) -> Option<String> {
    row.company.as_ref().and_then(|company| company.role.clone())
}
