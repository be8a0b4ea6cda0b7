//! Companies that rows name. A name that no company has that the caller may see, or several have, is an error of its row.

use std::collections::{BTreeSet, HashMap};

use auth::Context;
use db::TenantTx;
use error::{Error, Reason};
use field_types::{fold, search_key};
use query::RowScope;
use uuid::Uuid;

use crate::companies::{COMPANY, store};

/// A company as a row names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NamedCompany {
    pub(crate) name: Option<String>,
    /// Canonical; where it is there, it decides.
    pub(crate) domain: Option<String>,
}

/// Finds companies, of those that the caller may see: for each its id, or by what it was not found, why, and what to say of it.
pub(crate) async fn find_all(
    tx: &mut TenantTx,
    cx: &Context,
    named: &[NamedCompany],
) -> Result<Vec<Result<Uuid, Wrong>>, Error> {
    // Where a domain is given it decides, so the name is not looked up.
    let names =
        named.iter().filter(|company| company.domain.is_none()).filter_map(|company| company.name.as_deref());
    let names: BTreeSet<String> = names.map(search_key).collect();
    let domains: BTreeSet<&str> = named.iter().filter_map(|company| company.domain.as_deref()).collect();
    let mut found: HashMap<String, Vec<Found>> = HashMap::new();
    if !names.is_empty() || !domains.is_empty() {
        let scope = RowScope::from(&cx.snapshot.predicate(COMPANY.name, "read"));
        let names: Vec<String> = names.into_iter().collect();
        let domains: Vec<&str> = domains.into_iter().collect();
        for (key, id, name) in store::named(tx, &names, &domains, &scope).await? {
            found.entry(key).or_default().push(Found { id, name });
        }
    }
    Ok(named.iter().map(|company| find(company, &found)).collect())
}

/// A company by a name, or by a domain, which has none.
struct Found {
    id: Uuid,
    name: Option<String>,
}

/// By what a company was not found, why, and what to say of it.
pub(crate) type Wrong = (&'static str, Reason, &'static str);

fn find(company: &NamedCompany, found: &HashMap<String, Vec<Found>>) -> Result<Uuid, Wrong> {
    if let Some(domain) = &company.domain {
        let all = found.get(domain).into_iter().flatten();
        let text = "no company that you may see has this domain";
        let found = all.filter(|found| found.name.is_none()).map(|found| found.id).next();
        return found.ok_or(("domain", Reason::REFERENCE_NOT_FOUND, text));
    }
    let name = company.name.as_deref().unwrap_or_default();
    let all = found.get(&search_key(name)).into_iter().flatten();
    let same: Vec<&Found> =
        all.filter(|f| f.name.as_deref().is_some_and(|n| fold(n) == fold(name))).collect();
    let exact: Vec<&Found> =
        same.iter().copied().filter(|found| found.name.as_deref() == Some(name)).collect();
    match (same.as_slice(), exact.as_slice()) {
        ([one], _) | (_, [one]) => Ok(one.id),
        ([], _) => Err(("name", Reason::REFERENCE_NOT_FOUND, "no company that you may see has this name")),
        _ => {
            let text = "several companies that you may see have this name; map `company.domain` to say which";
            Err(("name", Reason::REFERENCE_AMBIGUOUS, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(companies: &[(u128, &str, Option<&str>)]) -> HashMap<String, Vec<Found>> {
        let mut found: HashMap<String, Vec<Found>> = HashMap::new();
        for (id, name, domain) in companies {
            let id = Uuid::from_u128(*id);
            found.entry(search_key(name)).or_default().push(Found { id, name: Some((*name).to_owned()) });
            if let Some(domain) = domain {
                found.entry((*domain).to_owned()).or_default().push(Found { id, name: None });
            }
        }
        found
    }

    fn asked(name: &str, domain: &str) -> NamedCompany {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        NamedCompany { name: text(name), domain: text(domain) }
    }

    #[test]
    fn a_company_is_found_if_one_alone_can_be_meant() {
        let known = known(&[
            (1, "Acme", Some("acme.test")),
            (2, "ACME", None),
            (3, "Bücher", None),
            (4, "Duo", None),
            (5, "Duo", None),
            // Its name is another's domain.
            (6, "acme.test", None),
        ]);
        let id = |company: &NamedCompany| find(company, &known).map(|id| id.as_u128());
        assert_eq!(id(&asked("acme", "acme.test")), Ok(1));
        assert_eq!(id(&asked("Acme", "")), Ok(1));
        assert_eq!(id(&asked("bucher", "")), Ok(3));
        assert_eq!(id(&asked("acme.test", "")), Ok(6));
        let reason = |company: &NamedCompany| find(company, &known).unwrap_err().1;
        assert_eq!(reason(&asked("aCME", "")), Reason::REFERENCE_AMBIGUOUS);
        assert_eq!(reason(&asked("Duo", "")), Reason::REFERENCE_AMBIGUOUS);
        assert_eq!(reason(&asked("Nobody", "")), Reason::REFERENCE_NOT_FOUND);
        assert_eq!(reason(&asked("Acme", "nobody.test")), Reason::REFERENCE_NOT_FOUND);
    }
}
