//! Deals: possible sales on their way through a pipeline.

mod board;
mod change_pipeline;
mod contacts;
mod history;
mod mapping;
mod moving;
mod outcomes;
mod place;
mod placing;
mod rank;
mod shown;
mod stages;
mod store;
mod told;
mod wire;

use error::Reason;
use input::Violations;
use query::{Set, SetKind};
use record::prepare::Rules;
use record::side_tables::{EXTERNAL_IDS, TAGS};
use record::{Built, Fields, Include, Object, Standard};
use serde_json::{Value, json};

pub(crate) use board::board;
pub(crate) use change_pipeline::change_pipeline;
pub(crate) use history::history;
pub use mapping::Mapping;
pub(crate) use moving::move_deal;
pub(crate) use outcomes::show as show_outcomes;
pub(crate) use shown::{mask, shown};
pub(crate) use store::{IMPORTED_EXTERNAL_IDS, schedule as schedule_moves};
pub(crate) use wire::{Deal, open};

/// The object `deal`.
pub(crate) static DEAL: Object = Object {
    name: "deal",
    table: "pipeline.deals",
    fields: &[
        Standard::line("name").searched().indexed().required(),
        Standard::key("pipeline_id").indexed().indexed_in_trash().required(),
        Standard::key("stage_id").indexed().indexed_in_trash().required(),
        Standard::input("stage_reason"),
        Standard::input("after_id"),
        Standard::input("before_id"),
        Standard::code("rank").guarded().required().told_by(&["stage_id", "stage_entered_at"]),
        Standard::line("stage_key").guarded().required().told_by(&["stage_id"]),
        Standard::integer("pipeline_version").guarded().required(),
        Standard::choice("status", &["open", "won", "lost"]).guarded().indexed().required(),
        Standard::timestamp("stage_entered_at").guarded().required(),
        Standard::timestamp("closed_at").guarded().indexed(),
        Standard::money("amount"),
        Standard::integer("probability").required(),
        Standard::choice("probability_source", &["stage", "manual"]).guarded().required(),
        Standard::money("weighted_amount").computed(&["amount", "probability"]),
        Standard::date("expected_close_date").indexed(),
        Standard::line("lost_reason"),
        Standard::id("company_id", "company").indexed().indexed_in_trash(),
        Standard::list("contacts").set("contacts.contact_id", "contact_id", PEOPLE).naming(&contacts::NAMING),
        Standard::line("next_step"),
    ],
    title: "name",
    includes: &[
        Include::field("company", "company_id"),
        Include::field("contacts", "contacts"),
        Include::own("stage", &["stage_id", "pipeline_id"]),
    ],
    not_found: Reason::DEAL_NOT_FOUND,
    not_deleted: Reason::DEAL_NOT_DELETED,
    derive,
    rules,
    guard: Some(&stages::Stages),
    ties: None,
    sides: &[TAGS, EXTERNAL_IDS, contacts::CONTACTS],
    likeness: None,
    tree: None,
    built: Built::later(),
};

/// The contacts of a deal, as filters find them.
const PEOPLE: Set = Set { table: "pipeline.deal_contact", parent: "deal_id", kind: SetKind::Uuid };

/// The amount times the probability.
fn derive(fields: &Fields) -> Fields {
    let value = |name: &str| fields.get(name).unwrap_or(&Value::Null);
    Fields::from_iter([("weighted_amount".to_owned(), weighted(value("amount"), value("probability")))])
}

/// Rounded half up to the minor unit.
fn weighted(amount: &Value, probability: &Value) -> Value {
    let (Some(minor), Some(percent)) = (amount["amount_minor"].as_i64(), probability.as_i64()) else {
        return Value::Null;
    };
    let weighted = (i128::from(minor) * i128::from(percent) + 50) / 100;
    json!({"amount_minor": i64::try_from(weighted).unwrap_or(i64::MAX), "currency": amount["currency"]})
}

/// A deal has a name.
fn rules(deal: &Rules<'_>, violations: &mut Violations) {
    if !deal.has("name") {
        violations.note("/name", Reason::REQUIRED, "a value is required");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weighted_amount_is_rounded_half_up() {
        let of = |minor: i64, percent: i64| {
            let amount = json!({"amount_minor": minor, "currency": "EUR"});
            weighted(&amount, &json!(percent))["amount_minor"].as_i64().unwrap()
        };
        assert_eq!((of(1_000, 50), of(1, 50), of(1, 49), of(149, 1), of(150, 1)), (500, 1, 0, 1, 2));
        assert_eq!((of(i64::MAX, 100), of(7, 0)), (i64::MAX, 0));
        assert_eq!(weighted(&Value::Null, &json!(50)), Value::Null);
    }
}
