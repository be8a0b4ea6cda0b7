//! Companies: organisations that contacts belong to.

pub(crate) mod convert;
mod create;
mod delete;
mod get;
mod list;
mod parse;
mod restore;
mod store;
mod update;

use error::{Reason, Violation};
use query::{Column, Field, Set, SetKind, Table};
use record::ALWAYS;
use record::side_tables::{EXTERNAL_IDS, TAGS, texts};
use record::{Fields, Object, SideTable, Tree};
use serde_json::Value;

use crate::contacts::LIFECYCLES;

pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use get::get;
pub(crate) use list::list;
pub(crate) use restore::restore;
pub(crate) use update::update;

/// The object `company`.
pub(crate) static COMPANY: Object = Object {
    name: "company",
    table: &TABLE,
    columns: &COLUMNS,
    writable: &[
        "owner_id",
        "team_id",
        "external_ids",
        "tags",
        "name",
        "legal_name",
        "domains",
        "parent_id",
        "industry",
        "employee_count",
        "annual_revenue",
        "phones",
        "addresses",
        "tax_id",
        "description",
        "lifecycle",
    ],
    computed: &[],
    not_found: Reason::COMPANY_NOT_FOUND,
    not_deleted: Reason::COMPANY_NOT_DELETED,
    sql: store::SQL,
    derive,
    check,
    sides: &[TAGS, EXTERNAL_IDS, DOMAINS],
    links: &[("parent_id", "company")],
    tree: Some(Tree { field: "parent_id", above: store::ABOVE }),
};

const fn one(name: &'static str, fields: &'static [&'static str]) -> Column {
    Column { name, fields }
}

static COLUMNS: [Column; 26] = [
    ALWAYS[0],
    ALWAYS[1],
    ALWAYS[2],
    one("version", &["version"]),
    one("created_at", &["created_at"]),
    one("created_by", &["created_by"]),
    one("updated_at", &["updated_at"]),
    one("updated_by", &["updated_by"]),
    one("deleted_at", &["deleted_at"]),
    one("source", &["source"]),
    one("owner_id", &["owner_id"]),
    one("team_id", &["team_id"]),
    one("external_ids", &["external_ids"]),
    one("tags", &["tags"]),
    one("name", &["name"]),
    one("legal_name", &["legal_name"]),
    one("domains", &["domains"]),
    one("parent_id", &["parent_id"]),
    one("industry", &["industry"]),
    one("employee_count", &["employee_count"]),
    one("annual_revenue", &["annual_revenue"]),
    one("phones", &["phones"]),
    one("addresses", &["addresses"]),
    one("tax_id", &["tax_id"]),
    one("description", &["description"]),
    one("lifecycle", &["lifecycle"]),
];

const DOMAINS: SideTable = SideTable {
    field: "domains",
    pairs: |value| texts(value).map(|domain| (domain.to_owned(), String::new())).collect(),
    put: store::PUT_DOMAINS,
    clear: store::CLEAR_DOMAINS,
    held: store::HELD_DOMAINS,
    set_live: Some(store::SET_DOMAINS_LIVE),
    holders: Some(store::DOMAIN_HOLDERS),
};

/// What filters and orders see. A field is `indexed` where a live list in its order is served by an index.
static TABLE: Table = Table {
    object: "company",
    name: "records.companies",
    deleted_at: Some("deleted_at"),
    has_custom: true,
    fields: &[
        Field::uuid("id", "id"),
        Field::integer("version", "version"),
        Field::timestamp("created_at", "created_at").indexed(),
        Field::uuid("created_by", "created_by"),
        Field::timestamp("updated_at", "updated_at").indexed(),
        Field::uuid("updated_by", "updated_by"),
        Field::timestamp("deleted_at", "deleted_at").nullable(),
        Field::choice("source", "source", &["api", "import"]),
        Field::uuid("owner_id", "owner_id").nullable().indexed(),
        Field::uuid("team_id", "team_id").nullable().indexed(),
        Field::searchable("name", "name", "name_folded").indexed(),
        Field::searchable("legal_name", "legal_name", "legal_name_folded").nullable(),
        Field::uuid("parent_id", "parent_id").nullable().indexed(),
        Field::text("industry", "industry").nullable(),
        Field::integer("employee_count", "employee_count").nullable(),
        Field::money("annual_revenue", "annual_revenue_minor", "annual_revenue_currency").nullable(),
        Field::text("tax_id", "tax_id").nullable(),
        Field::choice("lifecycle", "lifecycle", &LIFECYCLES).nullable(),
        Field::set(
            "tags",
            "tag",
            Set {
                table: "records.record_tag",
                parent: "record_id",
                kind: SetKind::Text { key: Some("tag_folded") },
            },
        ),
        Field::set(
            "domains",
            "domain",
            Set { table: "records.company_domain", parent: "company_id", kind: SetKind::Text { key: None } },
        ),
    ],
};

/// The search keys of the names, and the revenue as filters compare it.
fn derive(fields: &Fields) -> Fields {
    let folded =
        |name: &str| Value::from(fields.get(name).and_then(Value::as_str).map(field_types::search_key));
    let revenue = |member: &str| fields.get("annual_revenue").map(|r| r[member].clone()).unwrap_or_default();
    [
        ("name_folded", folded("name")),
        ("legal_name_folded", folded("legal_name")),
        ("annual_revenue_minor", revenue("amount_minor")),
        ("annual_revenue_currency", revenue("currency")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// A company has a name.
fn check(has: &dyn Fn(&str) -> bool) -> Vec<Violation> {
    if has("name") {
        return Vec::new();
    }
    vec![Violation::new("/name", Reason::REQUIRED, "a value is required")]
}
