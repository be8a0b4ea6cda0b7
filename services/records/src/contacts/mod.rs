//! Contacts: people.

mod columns;
pub(crate) mod import;
pub(crate) mod store;
pub(crate) mod wire;

use error::Reason;
use input::Violations;
use query::{Set, SetKind};
use record::prepare::Rules;
use record::side_tables::{EXTERNAL_IDS, TAGS};
use record::{Built, Fields, Include, Likeness, Object, SideTable, Standard};
use serde_json::Value;

use crate::contact_points;
use crate::links;

/// The stages of life, as filters name them.
pub(crate) const LIFECYCLES: [&str; 5] = ["lead", "qualified", "customer", "former", "other"];

/// The object `contact`.
pub(crate) static CONTACT: Object = Object {
    name: "contact",
    table: "records.contacts",
    fields: &[
        Standard::line("first_name").searched().indexed(),
        Standard::line("last_name").searched().indexed(),
        Standard::line("full_name").searched().indexed().computed(&["first_name", "last_name"]),
        Standard::line("job_title").searched(),
        Standard::line("department").searched(),
        Standard::list("emails").set("emails.address", "address", ADDRESSES).set(
            "emails.domain",
            "domain",
            ADDRESS_DOMAINS,
        ),
        Standard::list("phones").set("phones.number", "number", NUMBERS),
        Standard::list("addresses"),
        Standard::line("language"),
        Standard::line("timezone"),
        Standard::date("birthday"),
        Standard::choice("lifecycle", &LIFECYCLES).indexed(),
        Standard::line("lead_source").indexed(),
        Standard::integer("score"),
        Standard::flag("do_not_call"),
        Standard::flag("do_not_email"),
        Standard::list("consents"),
        Standard::timestamp("last_activity_at").indexed().output(),
    ],
    title: "full_name",
    includes: &[Include::rows("company", "company", links::FIRST_COMPANIES)],
    not_found: Reason::CONTACT_NOT_FOUND,
    not_deleted: Reason::CONTACT_NOT_DELETED,
    derive,
    rules,
    guard: None,
    ties: None,
    sides: &[TAGS, EXTERNAL_IDS, EMAILS, PHONES],
    likeness: Some(&ADDRESS_IN_COMMON),
    tree: None,
    built: Built::later(),
};

/// E-mail addresses as filters find them.
const ADDRESSES: Set = Set { table: "records.contact_email", parent: "contact_id", kind: SetKind::Email };

/// The domains of e-mail addresses as filters find them.
const ADDRESS_DOMAINS: Set =
    Set { table: "records.contact_email", parent: "contact_id", kind: SetKind::Domain };

/// Phone numbers as filters find them.
const NUMBERS: Set = Set { table: "records.contact_phone", parent: "contact_id", kind: SetKind::Phone };

const PHONES: SideTable = SideTable {
    field: "phones",
    pairs: contact_points::numbers,
    put: store::PUT_PHONES,
    clear: store::CLEAR_PHONES,
    held: store::HELD_PHONES,
    set_live: None,
    holders: None,
};

const EMAILS: SideTable = SideTable {
    field: "emails",
    pairs: |value| addresses(value).map(|address| (address.to_owned(), String::new())).collect(),
    put: store::PUT_EMAILS,
    clear: store::CLEAR_EMAILS,
    held: store::HELD_EMAILS,
    set_live: Some(store::SET_EMAILS_LIVE),
    holders: None,
};

/// Two contacts with one address are one person, as a rule.
const ADDRESS_IN_COMMON: Likeness = Likeness {
    field: "emails",
    kind: "address",
    keys: |value| addresses(value).map(str::to_owned).collect(),
    detail: "another contact has one of these e-mail addresses; with allow_duplicates=true this one is created as well",
    holders: store::ADDRESS_HOLDERS,
};

/// The addresses of the field `emails`.
fn addresses(emails: &Value) -> impl Iterator<Item = &str> {
    emails.as_array().into_iter().flatten().filter_map(|item| item["address"].as_str())
}

/// The full name.
fn derive(fields: &Fields) -> Fields {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let names: Vec<&str> = [text("first_name"), text("last_name")].into_iter().flatten().collect();
    let full_name = (!names.is_empty()).then(|| names.join(" "));
    Fields::from_iter([("full_name".to_owned(), full_name.into())])
}

/// Somebody must be known by a name or an address.
fn rules(contact: &Rules<'_>, violations: &mut Violations) {
    if !["first_name", "last_name", "emails"].into_iter().any(|name| contact.has(name)) {
        let detail = "a first name, a last name or an e-mail address is required";
        violations.note("", Reason::NAME_OR_EMAIL_REQUIRED, detail);
    }
}
