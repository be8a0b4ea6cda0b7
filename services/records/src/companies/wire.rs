//! A company's message: how it is read and shown.

use auth::FieldMask;
use error::{Error, Reason};
use field_types::{FieldError, email};
use input::Input;
use prost::Message;
use prost::bytes::Bytes;
use proto::common::v1::{Access, Source};
use proto::records::v1 as pb;
use record::definitions::FieldSet;
use record::view::View;
use record::{Env, Included, Object, Reader, Sent, Wire};

use super::COMPANY;
use crate::contact_points;

/// Companies on the wire.
#[derive(Debug)]
pub(crate) enum Company {}

impl Wire for Company {
    type Message = pb::Company;

    fn object() -> &'static Object {
        &COMPANY
    }

    fn read(sent: &pb::Company, r: &mut Reader<'_>) {
        r.id("owner_id", &sent.owner_id);
        r.id("team_id", &sent.team_id);
        r.external_ids(&sent.external_ids);
        r.tags(&sent.tags);
        r.line("name", &sent.name, 300);
        r.line("legal_name", &sent.legal_name, 300);
        r.texts("domains", &sent.domains, domain);
        r.id("parent_id", &sent.parent_id);
        r.line("industry", &sent.industry, 100);
        r.with("employee_count", |input| employee_count(input, sent.employee_count));
        r.money("annual_revenue", sent.annual_revenue.as_ref());
        let region = r.region;
        r.with("phones", |input| contact_points::read_phones(input, &sent.phones, region));
        r.with("addresses", |input| contact_points::read_addresses(input, &sent.addresses));
        r.line("tax_id", &sent.tax_id, 60);
        r.lines("description", &sent.description, 10_000);
        r.choice("lifecycle", sent.lifecycle, pb::Lifecycle::as_str_name, "LIFECYCLE_");
    }

    fn show(view: View<'_>, access: Option<Access>) -> Result<pb::Company, Error> {
        let lifecycle =
            view.choice("lifecycle", "LIFECYCLE_").and_then(|name| pb::Lifecycle::from_str_name(&name));
        let source = view.choice("source", "SOURCE_").and_then(|name| Source::from_str_name(&name));
        Ok(pb::Company {
            id: view.id(),
            version: view.version(),
            created_at: view.moment("created_at"),
            created_by: view.text("created_by").unwrap_or_default(),
            updated_at: view.moment("updated_at"),
            updated_by: view.text("updated_by").unwrap_or_default(),
            deleted_at: view.moment("deleted_at"),
            owner_id: view.text("owner_id"),
            team_id: view.text("team_id"),
            source: source.unwrap_or_default() as i32,
            external_ids: view.map("external_ids"),
            tags: view.texts("tags"),
            name: view.text("name"),
            legal_name: view.text("legal_name"),
            domains: view.texts("domains"),
            parent_id: view.text("parent_id"),
            industry: view.text("industry"),
            employee_count: view.integer("employee_count"),
            annual_revenue: view.money("annual_revenue"),
            phones: view.list("phones", contact_points::phone),
            addresses: view.list("addresses", contact_points::address),
            tax_id: view.text("tax_id"),
            description: view.text("description"),
            lifecycle: lifecycle.map(|value| value as i32),
            last_activity_at: view.moment("last_activity_at"),
            custom: view.custom()?,
            access,
            etag: None,
            included: None,
            warnings: Vec::new(),
        })
    }

    fn include(company: &mut pb::Company, mut included: Included) {
        company.included =
            Some(pb::CompanyIncluded { owner: included.one("owner"), parent: included.one("parent") });
        company.warnings = included.warnings;
    }

    fn custom(sent: &pb::Company) -> &Bytes {
        &sent.custom
    }

    fn custom_mut(sent: &mut pb::Company) -> &mut Bytes {
        &mut sent.custom
    }

    fn etag(sent: &pb::Company) -> Option<&str> {
        sent.etag.as_deref()
    }
}

/// A domain in lower case and ASCII, as it stands in an address of it.
pub(crate) fn domain(text: &str) -> Result<Option<String>, FieldError> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Ok(None);
    }
    let address = email::parse(&format!("x@{trimmed}"));
    let found = address.ok().filter(|_| !trimmed.contains('@'));
    let found = found.as_deref().and_then(email::domain).map(str::to_owned);
    found.map(Some).ok_or_else(|| {
        FieldError::new(Reason::DOMAIN_INVALID, "an internet domain is expected, such as acme.com")
    })
}

fn employee_count(input: &mut Input, sent: Option<i32>) {
    if sent.is_some_and(|count| count < 0) {
        input.refuse("/employee_count", FieldError::new(Reason::OUT_OF_RANGE, "must not be negative"));
    } else {
        input.set("employee_count", sent);
    }
}

/// How many of them are changed at once.
pub(crate) fn open(env: &Env, wire: Bytes, set: &FieldSet, mask: &FieldMask) -> Result<Sent, Error> {
    let pb::UpdateCompanyRequest { company, update_mask, .. } =
        pb::UpdateCompanyRequest::decode(wire).map_err(Error::internal)?;
    record::many::sent::<Company>(env, (update_mask, company.as_ref()), set, mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_lower_case_ascii_and_nothing_else() {
        assert_eq!(domain(" Acme.COM ").unwrap().as_deref(), Some("acme.com"));
        assert_eq!(domain("bücher.example").unwrap().as_deref(), Some("xn--bcher-kva.example"));
        for bad in ["acme", "https://acme.com", "a@acme.com", "acme com"] {
            assert_eq!(domain(bad).unwrap_err().reason, "DOMAIN_INVALID", "{bad}");
        }
    }
}
