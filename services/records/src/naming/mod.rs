//! What rows of files name and do not have the id of: the company of a contact.

pub(crate) mod companies;
mod linking;

use auth::Context;
use db::TenantTx;
use error::{Error, Reason};
use imports::cells::one_line;
use imports::importable::{Importable, Name};
use imports::{Lookups, ReadRow};
use input::Violations;

use self::companies::{NamedCompany, find_all};

pub(crate) use linking::Links;

const NAME: &str = "company.name";
const DOMAIN: &str = "company.domain";
const ROLE: &str = "company.role";

/// What the row of a contact may say of the company that it is linked to.
pub(crate) const COMPANY_OF_CONTACT: &[Name] = &[
    Name {
        name: NAME,
        field: None,
        replaces: false,
        of: Some(("company", "name")),
        read: |cell| input::line(&one_line(cell), 300),
    },
    Name {
        name: DOMAIN,
        field: None,
        replaces: false,
        of: Some(("company", "domains")),
        read: crate::companies::wire::domain,
    },
    Name {
        name: ROLE,
        field: None,
        replaces: false,
        of: None,
        read: |cell| input::line(&one_line(cell), 100),
    },
];

/// A role alone would be lost.
pub(crate) fn check_names(row: &ReadRow, violations: &mut Violations) {
    let is_named = row.names.contains_key(NAME) || row.names.contains_key(DOMAIN);
    let is_wrong = violations.iter().any(|violation| violation.pointer.starts_with("/company/"));
    if !is_named && row.names.contains_key(ROLE) && !is_wrong {
        let text = "a role needs the name or the domain of a company";
        violations.note("/company/role", Reason::REQUIRED, text);
    }
}

/// Finds companies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Companies;

#[tonic::async_trait]
impl Lookups for Companies {
    async fn within(
        &self,
        tx: &mut TenantTx,
        cx: &Context,
        _of: &'static Importable,
        rows: &mut [Option<ReadRow>],
    ) -> Result<(), Error> {
        let named = |row: &ReadRow| NamedCompany {
            name: row.names.get(NAME).cloned(),
            domain: row.names.get(DOMAIN).cloned(),
        };
        let naming = |row: &&mut ReadRow| row.names.contains_key(NAME) || row.names.contains_key(DOMAIN);
        let mut rows: Vec<&mut ReadRow> = rows.iter_mut().flatten().filter(naming).collect();
        let all: Vec<NamedCompany> = rows.iter().map(|row| named(row)).collect();
        for (row, found) in rows.iter_mut().zip(find_all(tx, cx, &all).await?) {
            match found {
                Ok(id) => drop(row.found.insert(linking::COMPANY, id.to_string().into())),
                Err((member, reason, text)) => {
                    row.violations.note(format!("/company/{member}"), reason, text);
                }
            }
        }
        Ok(())
    }
}
