//! Deals out of files.

use error::Reason;
use imports::ReadRow;
use imports::cells::{Cells, one_line};
use imports::importable::{Importable, Join, Key, Kind, Name, TAGS, nothing_named};
use input::Input;
use proto::pipeline::v1 as pb;
use record::{Env, Reader, Record};
use serde_json::Value;

use super::columns::COLUMNS;
use crate::deals::{DEAL, Deal, IMPORTED_EXTERNAL_IDS};

/// Names that rows have for a deal's company, contact, pipeline and stage.
pub(super) const COMPANY_NAME: &str = "company.name";
pub(super) const COMPANY_DOMAIN: &str = "company.domain";
pub(super) const CONTACT: &str = "contact.email";
pub(super) const PIPELINE: &str = "pipeline.name";
pub(super) const STAGE: &str = "stage.name";

/// What [`settle`] finds at a row: the ids of the stages that its name stands for, by the ids of their pipelines, and the default pipeline.
pub(super) const STAGES: &str = "stages";
pub(super) const DEFAULT: &str = "default_pipeline";

/// Most contacts of a deal.
const MOST_CONTACTS: usize = 50;

/// A row repeats the deal whose id it has, else the one that has its id in another system.
pub(super) static DEALS: Importable = Importable {
    object: &DEAL,
    values: &[
        ("owner_id", Kind::Id),
        ("team_id", Kind::Id),
        ("name", Kind::Line),
        ("pipeline_id", Kind::Id),
        ("stage_id", Kind::Id),
        ("stage_reason", Kind::Line),
        ("amount", Kind::Money),
        ("amount.amount_minor", Kind::Minor),
        ("amount.currency", Kind::Currency),
        ("probability", Kind::Integer(0, 100)),
        ("expected_close_date", Kind::Date),
        ("lost_reason", Kind::Line),
        ("company_id", Kind::Id),
        ("next_step", Kind::Line),
    ],
    texts: &[TAGS],
    lists: &[],
    joins: &[Join { field: "contacts", most: MOST_CONTACTS, join: with_contact }],
    by_id: true,
    names: &[
        Name {
            name: COMPANY_NAME,
            field: Some("company_id"),
            replaces: true,
            of: Some(("company", "name")),
            read: |cell| input::line(&one_line(cell), 300),
        },
        Name {
            name: COMPANY_DOMAIN,
            field: Some("company_id"),
            replaces: true,
            of: Some(("company", "domains")),
            read: |cell| input::line(&one_line(cell), 300),
        },
        Name {
            name: CONTACT,
            field: Some("contacts"),
            replaces: false,
            of: Some(("contact", "emails")),
            read: |cell| field_types::email::parse(cell).map(Some),
        },
        Name {
            name: PIPELINE,
            field: Some("pipeline_id"),
            replaces: true,
            of: None,
            read: |cell| input::line(&one_line(cell), 200),
        },
        Name {
            name: STAGE,
            field: Some("stage_id"),
            replaces: true,
            of: None,
            read: |cell| input::line(&one_line(cell), 200),
        },
    ],
    check_names: nothing_named,
    settle,
    needs: &["name"],
    keys: &[Key { field: "external_ids", is_unique: true, holders: IMPORTED_EXTERNAL_IDS }],
    attached: None,
    columns: COLUMNS,
    analyze: "SELECT pipeline.analyze_deals($1)",
    read,
};

fn read(env: &Env, mut cells: Cells) -> Input {
    let deal = pb::Deal {
        owner_id: cells.text("owner_id"),
        team_id: cells.text("team_id"),
        external_ids: std::mem::take(&mut cells.external_ids),
        tags: cells.texts("tags"),
        name: cells.text("name"),
        pipeline_id: cells.text("pipeline_id"),
        stage_id: cells.text("stage_id"),
        stage_reason: cells.text("stage_reason"),
        amount: cells.money("amount"),
        probability: cells.integer("probability"),
        expected_close_date: cells.text("expected_close_date"),
        lost_reason: cells.text("lost_reason"),
        company_id: cells.text("company_id"),
        next_step: cells.text("next_step"),
        ..Default::default()
    };
    Reader::read::<Deal>(env, &deal, &cells.names())
}

/// A stage is one of the pipeline that the row names, else of the one that the deal is in, else of the default one.
fn settle(before: Option<&Record>, row: &mut ReadRow) {
    let Some(stages) = row.found.get(STAGES) else { return };
    // Of a pipeline that is not there nobody can say which stages it has.
    if row.names.contains_key(PIPELINE) && !row.fields.contains_key("pipeline_id") {
        return;
    }
    let named = row.fields.get("pipeline_id").and_then(Value::as_str);
    let current = || before.and_then(|deal| deal.fields.get("pipeline_id")).and_then(Value::as_str);
    let default = || row.found.get(DEFAULT).and_then(Value::as_str);
    let pipeline = named.or_else(current).or_else(default).unwrap_or_default();
    if let Some(stage) = stages.get(pipeline).cloned() {
        row.fields.insert("stage_id".to_owned(), stage);
    } else {
        let text = "the pipeline has no stage of this name or key";
        row.violations.note("/stage/name", Reason::REFERENCE_NOT_FOUND, text);
    }
}

/// The contacts of a deal and the one of a row, which is added where it is not among them; it is the primary one where no other is.
fn with_contact(stored: &Value, sent: &Value) -> Value {
    let mut kept: Vec<Value> = stored.as_array().cloned().unwrap_or_default();
    for contact in sent.as_array().into_iter().flatten() {
        if kept.iter().any(|known| known["contact_id"] == contact["contact_id"]) {
            continue;
        }
        let mut contact = contact.clone();
        contact["is_primary"] = kept.iter().all(|known| known["is_primary"] != true).into();
        kept.push(contact);
    }
    kept.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use auth::FieldMask;
    use field_types::fold;
    use imports::mapping::{self, Masks};
    use imports::standard;
    use proto::records::v1::ColumnMapping;
    use record::definitions::FieldSet;
    use serde_json::json;

    use super::*;

    fn refusals(fields: &[&str]) -> Vec<(String, String)> {
        let mapping: Vec<_> = fields
            .iter()
            .enumerate()
            .map(|(n, field)| ColumnMapping { column: format!("c{n}"), field: (*field).to_owned() })
            .collect();
        let masks = Masks { object: &FieldMask::default(), cx: None };
        let (_, violations) = mapping::check(&DEALS, &mapping, &FieldSet::default(), masks);
        violations.into_iter().map(|v| (v.pointer, v.reason.into_owned())).collect()
    }

    #[test]
    fn every_field_that_callers_write_can_be_imported_and_no_other() {
        let roots = DEALS.values.iter().filter_map(|(name, _)| name.split('.').next());
        let texts = DEALS.texts.iter().map(|texts| texts.field);
        let joins = DEALS.joins.iter().map(|join| join.field);
        let fields: BTreeSet<&str> = roots.chain(texts).chain(joins).chain(["external_ids"]).collect();
        // Rows have no place on a board.
        let writable = DEAL.writable().iter().copied();
        let writable: BTreeSet<&str> =
            writable.filter(|name| !["after_id", "before_id"].contains(name)).collect();
        assert_eq!(fields, writable);
    }

    #[test]
    fn a_field_is_named_once_by_its_id_or_by_a_name() {
        let names = ["company.name", "company.domain", "pipeline.name", "stage.name", "contact.email"];
        assert_eq!(refusals(&names), []);
        assert_eq!(refusals(&["amount", "amount.currency", "id", "external_ids.erp"]), []);
        for pair in [
            ["company_id", "company.name"],
            ["pipeline.name", "pipeline_id"],
            ["stage.name", "stage_id"],
            ["amount", "amount.amount_minor"],
            ["owner_id", "owner.email"],
            ["id", "id"],
        ] {
            let repeated = ("/mapping/1/field".to_owned(), "REPEATED".to_owned());
            assert_eq!(refusals(&pair), [repeated], "{pair:?}");
        }
        for wrong in ["rank", "after_id", "status", "contacts", "company.role", "stage", "amount.value"] {
            assert_eq!(refusals(&[wrong])[0].1, "UNKNOWN_FIELD", "{wrong}");
        }
    }

    #[test]
    fn columns_are_taken_by_their_names_each_of_which_stands_for_one_field() {
        let mut seen = BTreeSet::new();
        for (field, names) in COLUMNS {
            assert!(refusals(&[field]).is_empty(), "{field}");
            for name in *names {
                assert_eq!(fold(name), *name, "of {field}");
                assert!(seen.insert(name), "{name} stands for two fields");
            }
        }
        for (column, field) in [
            ("Deal", "name"),
            ("Wert", "amount"),
            ("Währung", "amount.currency"),
            ("Étape", "stage.name"),
            ("Lost reason", "lost_reason"),
            ("Tags", "tags"),
        ] {
            assert_eq!(standard(&DEALS, column).as_deref(), Some(field), "{column}");
        }
    }

    #[test]
    fn a_stage_is_one_of_the_named_the_current_or_the_default_pipeline() {
        let mut row = ReadRow::default();
        row.found.insert(STAGES, json!({"p1": "s1", "p2": "s2"}));
        row.found.insert(DEFAULT, json!("p1"));
        settle(None, &mut row);
        assert_eq!(row.fields["stage_id"], "s1");
        row.fields.insert("pipeline_id".to_owned(), "p2".into());
        settle(None, &mut row);
        assert_eq!(row.fields["stage_id"], "s2");
        row.fields.insert("pipeline_id".to_owned(), "p3".into());
        settle(None, &mut row);
        let found: Vec<&str> = row.violations.iter().map(|violation| violation.pointer.as_str()).collect();
        assert_eq!(found, ["/stage/name"]);
    }

    #[test]
    fn a_contact_is_added_once_and_is_the_primary_one_where_no_other_is() {
        let of =
            |id: &str, is_primary: bool| json!({"contact_id": id, "role": "other", "is_primary": is_primary});
        let sent = json!([of("a", true)]);
        assert_eq!(with_contact(&json!([]), &sent), sent);
        assert_eq!(with_contact(&json!([of("b", true)]), &sent), json!([of("b", true), of("a", false)]));
        assert_eq!(with_contact(&json!([of("a", false)]), &sent), json!([of("a", false)]));
    }
}
