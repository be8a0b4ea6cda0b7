//! What comes out of files here, held against the contract and the rules of `libs/imports`.

use std::collections::BTreeSet;

use auth::{Access, FieldMask};
use field_types::fold;
use imports::cells;
use imports::importable::Importable;
use imports::mapping::{self, Column, Masks, Target, check};
use imports::standard;
use prost::Message;
use proto::descriptor::FileDescriptorSet;
use proto::records::v1::ColumnMapping;
use record::definitions::FieldSet;

use crate::app::IMPORTABLES as ALL;
use crate::companies::import::COMPANIES;
use crate::contacts::import::CONTACTS;

/// The members of a message of this service by the descriptors.
fn members(name: &str) -> Vec<String> {
    let set = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
    let files = set.file.into_iter().filter(|file| file.package == "globcrm.records.v1");
    let message = files.flat_map(|file| file.message_type).find(|m| m.name == name).unwrap();
    message.field.into_iter().map(|field| field.name).collect()
}

#[test]
fn every_field_that_callers_write_can_be_imported_and_no_other() {
    for importable in ALL.iter().copied() {
        let values = importable.values.iter().map(|(name, _)| *name);
        let texts = importable.texts.iter().map(|texts| texts.field);
        let lists = importable.lists.iter().map(|list| list.field);
        let fields: BTreeSet<&str> = values.chain(texts).chain(lists).chain(["external_ids"]).collect();
        let writable: BTreeSet<&str> = importable.object.writable().iter().copied().collect();
        assert_eq!(fields, writable, "{}", importable.object.name);
    }
}

#[test]
fn every_part_of_an_entry_can_be_imported_and_no_other() {
    let messages = [
        ("emails", "EmailAddress"),
        ("phones", "PhoneNumber"),
        ("addresses", "PostalAddress"),
        ("consents", "Consent"),
    ];
    for list in ALL.iter().flat_map(|importable| importable.lists) {
        let message = messages.iter().find(|(field, _)| *field == list.field).unwrap().1;
        let parts: BTreeSet<String> = list.parts.iter().map(|part| (*part).to_owned()).collect();
        assert_eq!(parts, members(message).into_iter().collect(), "{}", list.field);
    }
}

#[test]
fn the_values_of_every_key_stand_in_a_side_table() {
    for importable in ALL.iter().copied() {
        for key in importable.keys {
            let side = importable.side(key).unwrap_or_else(|| panic!("{} has none", key.field));
            assert_eq!(side.holders.is_some(), key.is_unique, "{}", key.field);
        }
        // What one record alone may have is a key: else a row that repeats it would end the whole import.
        let unique = importable.object.sides.iter().filter(|side| side.holders.is_some());
        assert!(unique.map(|s| s.field).all(|f| importable.keys.iter().any(|key| key.field == f)));
    }
}

fn checked(
    importable: &'static Importable,
    fields: &[&str],
    mask: &FieldMask,
) -> (Vec<Column>, Vec<(String, String)>) {
    let mapping: Vec<_> = fields
        .iter()
        .enumerate()
        .map(|(n, field)| ColumnMapping { column: format!("c{n}"), field: (*field).to_owned() })
        .collect();
    let masks = Masks { object: mask, cx: None };
    let (columns, violations) = check(importable, &mapping, &FieldSet::default(), masks);
    let found = violations.into_iter().map(|v| (v.pointer, v.reason.into_owned())).collect();
    (columns, found)
}

fn places(fields: &[&str]) -> Vec<(usize, Option<i32>)> {
    let (columns, found) = checked(&CONTACTS, fields, &FieldMask::default());
    assert!(found.is_empty(), "{found:?}");
    let place = |column: &Column| match column.target {
        Target::Part(part) => (part.at, part.kind),
        _ => panic!("{column:?}"),
    };
    columns.iter().map(place).collect()
}

#[test]
fn a_number_or_a_kind_says_which_entry_and_a_part_that_is_named_again_is_the_next_ones() {
    let mobile = cells::kind("mobile");
    let fields = [
        "phones.number",
        "phones[2].kind",
        "phones.number",
        "phones.kind",
        "phones[10].number",
        "phones[mobile].number",
        "phones.number",
    ];
    assert_eq!(
        places(&fields),
        [(0, None), (1, None), (1, None), (0, None), (9, None), (1_003, mobile), (2, None)]
    );
}

#[test]
fn what_names_nothing_is_no_field() {
    for wrong in [
        "phone",
        "phones",
        "phones[0].number",
        "phones[11].number",
        "phones[lab].number",
        "phones[mobile].kind",
        "phones[2]number",
        "phones[].number",
        "phones[-1].number",
        "phones[1][2].number",
        "phones.digits",
        "consents[work].purpose",
        "external_ids",
        "external_ids.",
        "external_ids. hubspot",
        "owner",
        "owner.name",
        "company.id",
        "full_name",
        "id",
        "custom.nothing",
        "",
    ] {
        let (_, found) = checked(&CONTACTS, &[wrong], &FieldMask::default());
        assert_eq!(found, [("/mapping/0/field".to_owned(), "UNKNOWN_FIELD".to_owned())], "{wrong}");
    }
    let (_, found) = checked(&COMPANIES, &["company.name", "emails.address", "name"], &FieldMask::default());
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn only_lists_take_several_columns() {
    let fields =
        ["tags", "tags", "external_ids.a", "external_ids.b", "owner_id", "owner.email", "score", "score"];
    let (_, found) = checked(&CONTACTS, &fields, &FieldMask::default());
    let repeated = |at: usize| (format!("/mapping/{at}/field"), "REPEATED".to_owned());
    assert_eq!(found, [repeated(5), repeated(7)]);
    let (_, found) = checked(&CONTACTS, &["phones.number"; 11], &FieldMask::default());
    assert_eq!(found, [repeated(10)]);
    let (_, found) = checked(&CONTACTS, &["phones[2].number", "phones[2].number"], &FieldMask::default());
    assert_eq!(found, [repeated(1)]);
}

#[test]
fn a_hidden_field_is_none_and_one_that_is_only_read_is_not_fed_by_whatever_name() {
    let names = ["phones[2].number", "external_ids.erp", "owner.email", "tags"];
    let rules = |access| {
        FieldMask::new(["phones", "external_ids", "owner_id", "tags"].map(|name| (name.to_owned(), access)))
    };
    for (access, reason) in [(Access::None, "UNKNOWN_FIELD"), (Access::Read, "FIELD_READ_ONLY")] {
        let (columns, found) = checked(&CONTACTS, &names, &rules(access));
        assert!(columns.is_empty());
        assert_eq!(found.iter().map(|(_, r)| r.as_str()).collect::<Vec<_>>(), [reason; 4]);
    }
}

#[test]
fn names_are_folded_and_each_stands_for_one_field_that_can_be_mapped() {
    for importable in [&CONTACTS, &COMPANIES] {
        let mut seen = std::collections::BTreeSet::new();
        for (field, names) in importable.columns {
            for name in *names {
                assert_eq!(fold(name), *name, "of {field}");
                assert!(seen.insert(name), "{name} stands for two fields");
            }
            let entry = ColumnMapping { column: "c".to_owned(), field: (*field).to_owned() };
            let open = FieldMask::default();
            let masks = Masks { object: &open, cx: None };
            let (columns, _) = mapping::check(importable, &[entry], &FieldSet::default(), masks);
            assert_eq!(columns.len(), 1, "{field}");
        }
    }
}

#[test]
fn a_column_is_taken_by_its_name_in_a_language_or_by_that_of_its_field() {
    let of = |importable, column| standard(importable, column);
    let cases = [
        ("Nachname", Some("last_name"), None),
        ("Name", Some("last_name"), Some("name")),
        ("Firma", None, Some("name")),
        ("Legal name", None, Some("legal_name")),
        ("tags", Some("tags"), Some("tags")),
        ("Mitarbeiter", None, Some("employee_count")),
        ("Tel.", Some("phones.number"), Some("phones.number")),
        ("emails.address", Some("emails.address"), None),
    ];
    for (column, contact, company) in cases {
        assert_eq!(of(&CONTACTS, column).as_deref(), contact, "{column}");
        assert_eq!(of(&COMPANIES, column).as_deref(), company, "{column}");
    }
}
