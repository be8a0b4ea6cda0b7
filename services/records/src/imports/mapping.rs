//! Which column feeds which field, checked against what the caller may write.
//!
//! A field is named as in a record: `first_name`, `custom.tier`, `external_ids.hubspot`, `tags`. Entries of lists have parts, and a
//! number or a kind says which entry is meant: `phones.number` is the first, `phones[2].number` the second, `phones[mobile].number`
//! one of that kind; a part that is named again without a number is that of the next entry. `owner.email` is the owner by
//! e-mail address; `company.name`, `company.domain` and `company.role` are the company that a contact is linked to.

use record::definitions::FieldSet;
use std::collections::BTreeSet;

use auth::{Access, FieldMask};
use error::Reason;
use input::Violations;
use proto::records::v1::ColumnMapping;

use super::cells;
use super::importable::{Importable, Kind, List};

/// Longest name of another system.
const SYSTEM_CHARS: usize = 60;
/// Places of entries that are named by their kind: behind all that have a number.
const BEHIND: usize = 1_000;

/// What a column feeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A field with one value.
    Value(&'static str, Kind),
    /// A list of texts.
    Texts(&'static str),
    /// The record's id in another system.
    ExternalId(String),
    /// A part of an entry of a list.
    Part(Part),
    /// The owner, by e-mail address.
    Owner,
    /// The company that a contact is linked to, by this: `name`, `domain`, `role`.
    Company(&'static str),
    /// A custom field.
    Custom(String),
}

/// A part of an entry of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) list: &'static str,
    /// The entry's place among those of the mapping.
    pub(crate) at: usize,
    /// The entry's kind, where the mapping says it.
    pub(crate) kind: Option<i32>,
    pub(crate) name: &'static str,
}

/// A column that feeds a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// The column's header.
    pub(crate) header: String,
    /// The field as the mapping names it.
    pub(crate) field: String,
    pub(crate) target: Target,
}

/// A caller's field rules, as far as a mapping asks for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Masks<'m> {
    /// Those of the object whose records come out of the file.
    pub(crate) object: &'m FieldMask,
    /// Those of companies, which rows name by their fields.
    pub(crate) company: &'m FieldMask,
}

impl Target {
    /// What the caller may do with what it feeds.
    fn access(&self, masks: Masks<'_>) -> Access {
        match self {
            Self::Value(field, _) | Self::Texts(field) => masks.object.access(field),
            Self::ExternalId(_) => masks.object.access("external_ids"),
            Self::Part(part) => masks.object.access(part.list),
            Self::Owner => masks.object.access("owner_id"),
            Self::Custom(key) => masks.object.access(&format!("custom.{key}")),
            // A link is not a field of its contact; whoever may change the contact may make one. But whether there is a company with a
            // name or domain is for those who see that field of companies.
            Self::Company(part) => {
                let looked_up = match *part {
                    "name" => Some("name"),
                    "domain" => Some("domains"),
                    _ => None,
                };
                let is_hidden = looked_up.is_some_and(|field| masks.company.hides(field));
                if is_hidden { Access::None } else { Access::Edit }
            }
        }
    }
}

/// Checks a mapping. A hidden field answers as an unknown one, an archived one too.
pub(crate) fn check(
    importable: &'static Importable,
    mapping: &[ColumnMapping],
    set: &FieldSet,
    masks: Masks<'_>,
) -> (Vec<Column>, Violations) {
    let (mut columns, mut violations) = (Vec::<Column>::new(), Violations::default());
    let mut headers = BTreeSet::new();
    for (at, entry) in mapping.iter().enumerate() {
        let mut refuse = |member: &str, reason: Reason, detail: &'static str| {
            violations.note(format!("/mapping/{at}/{member}"), reason, detail);
        };
        let (header, field) = (entry.column.trim(), entry.field.trim());
        if !headers.insert(header) {
            refuse("column", Reason::REPEATED, "is repeated: a column is mapped once");
        }
        let named = target(importable, field, &columns).filter(|target| match target {
            Target::Custom(key) => set.usable(key).is_some(),
            _ => true,
        });
        let Some(target) = named else {
            refuse("field", Reason::UNKNOWN_FIELD, "no such field");
            continue;
        };
        match target.access(masks) {
            Access::None => refuse("field", Reason::UNKNOWN_FIELD, "no such field"),
            Access::Read => {
                refuse("field", Reason::FIELD_READ_ONLY, "you may read, but not change this field");
            }
            Access::Edit => {
                if columns.iter().any(|column| excludes(&column.target, &target)) {
                    refuse("field", Reason::REPEATED, "is repeated: a field takes one column");
                }
                columns.push(Column { header: header.to_owned(), field: field.to_owned(), target });
            }
        }
    }
    (columns, violations)
}

/// Whether two columns cannot feed both: only lists take several. An owner has one id or one address.
fn excludes(one: &Target, other: &Target) -> bool {
    let is_owner = |target: &Target| matches!(target, Target::Owner | Target::Value("owner_id", _));
    match (one, other) {
        (Target::Texts(_), Target::Texts(_)) => false,
        _ => one == other || is_owner(one) && is_owner(other),
    }
}

/// What a name stands for; `before` are the columns that come before.
fn target(importable: &Importable, field: &str, before: &[Column]) -> Option<Target> {
    if let Some((name, kind)) = importable.values.iter().find(|(name, _)| *name == field) {
        return Some(Target::Value(name, *kind));
    }
    if let Some(texts) = importable.texts.iter().find(|texts| texts.field == field) {
        return Some(Target::Texts(texts.field));
    }
    let (root, rest) = field.split_once('.')?;
    match (root, rest) {
        ("custom", key) => return Some(Target::Custom(key.to_owned())),
        ("external_ids", system) => {
            let is_name = system.trim() == system && (1..=SYSTEM_CHARS).contains(&system.chars().count());
            return is_name.then(|| Target::ExternalId(system.to_owned()));
        }
        ("owner", "email") => return Some(Target::Owner),
        ("company", part) if importable.has_company => {
            return ["name", "domain", "role"].into_iter().find(|known| *known == part).map(Target::Company);
        }
        _ => {}
    }
    let (name, chosen) = match root.strip_suffix(']') {
        Some(chosen) => chosen.split_once('[').map(|(name, chosen)| (name, Some(chosen)))?,
        None => (root, None),
    };
    let list = importable.list(name)?;
    let part = list.parts.iter().copied().find(|part| *part == rest)?;
    let (at, kind) = place(list, part, chosen, before)?;
    Some(Target::Part(Part { list: list.field, at, kind, name: part }))
}

/// The place of the entry that is meant, and its kind where that says which it is.
fn place(
    list: &List,
    part: &'static str,
    chosen: Option<&str>,
    before: &[Column],
) -> Option<(usize, Option<i32>)> {
    let is_taken = |at: usize| {
        before.iter().any(|column| {
            matches!(column.target, Target::Part(known)
                if (known.list, known.at, known.name) == (list.field, at, part))
        })
    };
    match chosen {
        // The next of them that has no such part yet; one too many is that of the last, and is refused as repeated.
        None => Some(((0..list.most).find(|at| !is_taken(*at)).unwrap_or(list.most - 1), None)),
        Some(chosen) if chosen.bytes().all(|byte| byte.is_ascii_digit()) => {
            let number: usize = chosen.parse().ok()?;
            (1..=list.most).contains(&number).then(|| (number - 1, None))
        }
        // Its kind is said already.
        Some(name) => {
            let kind = cells::kind(name).filter(|_| list.parts.contains(&"kind") && part != "kind")?;
            Some((BEHIND + usize::try_from(kind).ok()?, Some(kind)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::companies::import::COMPANIES;
    use crate::contacts::import::CONTACTS;

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
        let masks = Masks { object: mask, company: &FieldMask::default() };
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
        let (_, found) =
            checked(&COMPANIES, &["company.name", "emails.address", "name"], &FieldMask::default());
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
            FieldMask::new(
                ["phones", "external_ids", "owner_id", "tags"].map(|name| (name.to_owned(), access)),
            )
        };
        for (access, reason) in [(Access::None, "UNKNOWN_FIELD"), (Access::Read, "FIELD_READ_ONLY")] {
            let (columns, found) = checked(&CONTACTS, &names, &rules(access));
            assert!(columns.is_empty());
            assert_eq!(found.iter().map(|(_, r)| r.as_str()).collect::<Vec<_>>(), [reason; 4]);
        }
    }
}
