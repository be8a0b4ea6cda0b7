//! Contacts: people.

pub(crate) mod convert;
mod create;
mod delete;
mod get;
mod list;
pub(crate) mod parse;
mod restore;
mod store;
mod update;

use error::{Reason, Violation};
use query::{Column, Field, Set, SetKind, Table};
use record::ALWAYS;
use record::side_tables::{EXTERNAL_IDS, TAGS};
use record::{Fields, Object, SideTable};
use serde_json::Value;

pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use get::get;
pub(crate) use list::list;
pub(crate) use restore::restore;
pub(crate) use update::update;

/// The stages of life, as filters name them.
pub(crate) const LIFECYCLES: [&str; 5] = ["lead", "qualified", "customer", "former", "other"];

/// The object `contact`.
pub(crate) static CONTACT: Object = Object {
    name: "contact",
    table: &TABLE,
    columns: &COLUMNS,
    writable: &[
        "owner_id",
        "team_id",
        "external_ids",
        "tags",
        "first_name",
        "last_name",
        "job_title",
        "department",
        "emails",
        "phones",
        "addresses",
        "language",
        "timezone",
        "birthday",
        "lifecycle",
        "lead_source",
        "score",
        "do_not_call",
        "do_not_email",
        "consents",
    ],
    computed: &[("full_name", &["first_name", "last_name"])],
    not_found: Reason::CONTACT_NOT_FOUND,
    not_deleted: Reason::CONTACT_NOT_DELETED,
    sql: store::SQL,
    derive,
    check,
    sides: &[TAGS, EXTERNAL_IDS, EMAILS],
    links: &[],
    tree: None,
};

const fn one(name: &'static str, fields: &'static [&'static str]) -> Column {
    Column { name, fields }
}

static COLUMNS: [Column; 32] = [
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
    one("first_name", &["first_name"]),
    one("last_name", &["last_name"]),
    one("full_name", &["full_name"]),
    one("job_title", &["job_title"]),
    one("department", &["department"]),
    one("emails", &["emails"]),
    one("phones", &["phones"]),
    one("addresses", &["addresses"]),
    one("language", &["language"]),
    one("timezone", &["timezone"]),
    one("birthday", &["birthday"]),
    one("lifecycle", &["lifecycle"]),
    one("lead_source", &["lead_source"]),
    one("score", &["score"]),
    one("do_not_call", &["do_not_call"]),
    one("do_not_email", &["do_not_email"]),
    one("consents", &["consents"]),
    one("last_activity_at", &["last_activity_at"]),
];

const EMAILS: SideTable = SideTable {
    field: "emails",
    pairs: |value| {
        let items = value.as_array().into_iter().flatten();
        items.filter_map(|item| Some((item["address"].as_str()?.to_owned(), String::new()))).collect()
    },
    put: store::PUT_EMAILS,
    clear: store::CLEAR_EMAILS,
    held: store::HELD_EMAILS,
    set_live: Some(store::SET_EMAILS_LIVE),
    holders: None,
};

/// What filters and orders see. A field is `indexed` where a live list in its order is served by an index.
static TABLE: Table = Table {
    object: "contact",
    name: "records.contacts",
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
        Field::searchable("first_name", "first_name", "first_name_folded").nullable().indexed(),
        Field::searchable("last_name", "last_name", "last_name_folded").nullable().indexed(),
        Field::searchable("full_name", "full_name", "full_name_folded")
            .nullable()
            .indexed()
            .reads(&["first_name", "last_name"]),
        Field::searchable("job_title", "job_title", "job_title_folded").nullable(),
        Field::searchable("department", "department", "department_folded").nullable(),
        Field::text("language", "language").nullable(),
        Field::text("timezone", "timezone").nullable(),
        Field::date("birthday", "birthday").nullable(),
        Field::choice("lifecycle", "lifecycle", &LIFECYCLES).nullable(),
        Field::text("lead_source", "lead_source").nullable(),
        Field::integer("score", "score").nullable(),
        Field::boolean("do_not_call", "do_not_call"),
        Field::boolean("do_not_email", "do_not_email"),
        Field::timestamp("last_activity_at", "last_activity_at").nullable().indexed(),
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
            "emails.address",
            "address",
            Set { table: "records.contact_email", parent: "contact_id", kind: SetKind::Email },
        )
        .reads(&["emails"]),
    ],
};

/// The full name, and the search keys of the texts that are searched.
fn derive(fields: &Fields) -> Fields {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let names: Vec<&str> = [text("first_name"), text("last_name")].into_iter().flatten().collect();
    let full_name = (!names.is_empty()).then(|| names.join(" "));
    let folded = |text: Option<&str>| Value::from(text.map(field_types::search_key));
    [
        ("first_name_folded", folded(text("first_name"))),
        ("last_name_folded", folded(text("last_name"))),
        ("full_name_folded", folded(full_name.as_deref())),
        ("job_title_folded", folded(text("job_title"))),
        ("department_folded", folded(text("department"))),
        ("full_name", full_name.into()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// Somebody must be known by a name or an address.
fn check(has: &dyn Fn(&str) -> bool) -> Vec<Violation> {
    if ["first_name", "last_name", "emails"].into_iter().any(has) {
        return Vec::new();
    }
    let detail = "a first name, a last name or an e-mail address is required";
    vec![Violation::new("", Reason::NAME_OR_EMAIL_REQUIRED, detail)]
}
