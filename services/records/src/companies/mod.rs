//! Companies: organisations that contacts belong to.

mod columns;
pub(crate) mod import;
pub(crate) mod store;
pub(crate) mod wire;

use db::{DbError, TenantTx};
use error::Reason;
use input::Violations;
use query::{Set, SetKind};
use record::change::Author;
use record::prepare::Rules;
use record::side_tables::{EXTERNAL_IDS, TAGS, texts};
use record::{Built, Fields, Include, Object, SideTable, Standard, Ties};
use uuid::Uuid;

use crate::contact_points;
use crate::contacts::LIFECYCLES;
use crate::links;

/// The object `company`.
pub(crate) static COMPANY: Object = Object {
    name: "company",
    table: "records.companies",
    fields: &[
        Standard::line("name").searched().indexed().required(),
        Standard::line("legal_name").searched(),
        Standard::texts("domains").set("domains", "domain", DOMAIN_SET),
        Standard::id("parent_id", "company").indexed().indexed_in_trash(),
        Standard::line("industry").indexed(),
        Standard::integer("employee_count"),
        Standard::money("annual_revenue"),
        Standard::list("phones").set("phones.number", "number", NUMBERS),
        Standard::list("addresses"),
        Standard::line("tax_id"),
        Standard::lines("description"),
        Standard::choice("lifecycle", &LIFECYCLES).indexed(),
        Standard::timestamp("last_activity_at").indexed().output(),
    ],
    title: "name",
    includes: &[Include::field("parent", "parent_id")],
    not_found: Reason::COMPANY_NOT_FOUND,
    not_deleted: Reason::COMPANY_NOT_DELETED,
    derive: |_| Fields::new(),
    rules,
    guard: None,
    ties: Some(&Contacts),
    sides: &[TAGS, EXTERNAL_IDS, DOMAINS, PHONES],
    likeness: None,
    tree: Some("parent_id"),
    built: Built::later(),
};

/// Domains as filters find them.
const DOMAIN_SET: Set = Set { table: "records.company_domain", parent: "company_id", kind: SetKind::Domain };

/// Phone numbers as filters find them.
const NUMBERS: Set = Set { table: "records.company_phone", parent: "company_id", kind: SetKind::Phone };

const PHONES: SideTable = SideTable {
    field: "phones",
    pairs: contact_points::numbers,
    put: store::PUT_PHONES,
    clear: store::CLEAR_PHONES,
    held: store::HELD_PHONES,
    set_live: None,
    holders: None,
};

const DOMAINS: SideTable = SideTable {
    field: "domains",
    pairs: |value| texts(value).map(|domain| (domain.to_owned(), String::new())).collect(),
    put: store::PUT_DOMAINS,
    clear: store::CLEAR_DOMAINS,
    held: store::HELD_DOMAINS,
    set_live: Some(store::SET_DOMAINS_LIVE),
    holders: Some(store::DOMAIN_HOLDERS),
};

/// Contacts that are tied to a company.
#[derive(Debug)]
struct Contacts;

#[tonic::async_trait]
impl Ties for Contacts {
    async fn untie(
        &self,
        tx: &mut TenantTx,
        author: &Author,
        ids: &[Uuid],
        limit: usize,
    ) -> Result<usize, DbError> {
        links::untie(tx, author, ids, limit).await
    }
}

/// A company has a name.
fn rules(company: &Rules<'_>, violations: &mut Violations) {
    if !company.has("name") {
        violations.note("/name", Reason::REQUIRED, "a value is required");
    }
}
