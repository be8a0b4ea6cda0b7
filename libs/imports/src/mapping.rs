//! Which column feeds which field, checked against what the caller may write.
//!
//! A field is named as in a record: `first_name`, `custom.tier`, `external_ids.hubspot`, `tags`. Entries of lists have parts, and a
//! number or a kind says which entry is meant: `phones.number` is the first, `phones[2].number` the second, `phones[mobile].number`
//! one of that kind; a part that is named again without a number is that of the next entry. `owner.email` is the owner by
//! e-mail address; `company.name` and the like are what an object's rows may name.

use record::definitions::FieldSet;
use std::collections::BTreeSet;

use auth::{Access, Context, FieldMask};
use error::Reason;
use input::Violations;
use proto::records::v1::ColumnMapping;

use super::cells;
use super::importable::{Importable, Kind, List, Name};

/// Longest name of another system.
const SYSTEM_CHARS: usize = 60;
/// Places of entries that are named by their kind: behind all that have a number.
const BEHIND: usize = 1_000;

/// What a column feeds.
#[derive(Clone, Debug)]
pub enum Target {
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
    /// The record itself, by its id.
    Id,
    /// Something that the row does not have the id of.
    Named(&'static Name),
    /// A custom field.
    Custom(String),
}

/// A part of an entry of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub list: &'static str,
    /// The entry's place among those of the mapping.
    pub at: usize,
    /// The entry's kind, where the mapping says it.
    pub kind: Option<i32>,
    pub name: &'static str,
}

/// A column that feeds a field.
#[derive(Clone, Debug)]
pub struct Column {
    /// The column's header.
    pub header: String,
    /// The field as the mapping names it.
    pub field: String,
    pub target: Target,
}

/// A caller's field rules, as far as a mapping asks for them.
#[derive(Clone, Copy, Debug)]
pub struct Masks<'m> {
    /// Those of the object whose records come out of the file.
    pub object: &'m FieldMask,
    /// Whose they are: rows name records of other objects by their fields.
    pub cx: Option<&'m Context>,
}

impl Target {
    /// What the caller may do with what it feeds.
    fn access(&self, masks: Masks<'_>) -> Access {
        match self {
            // Parts of an amount are parts of one field.
            Self::Value(field, _) => masks.object.access(field.split('.').next().unwrap_or(field)),
            Self::Texts(field) => masks.object.access(field),
            Self::Id => Access::Edit,
            Self::ExternalId(_) => masks.object.access("external_ids"),
            Self::Part(part) => masks.object.access(part.list),
            Self::Owner => masks.object.access("owner_id"),
            Self::Custom(key) => masks.object.access(&format!("custom.{key}")),
            // A link is not a field of its contact; whoever may change the contact may make one. But whether there is a company with a
            // name or domain is for those who see that field of companies.
            Self::Named(name) => {
                let is_hidden = |(object, field)| masks.cx.is_some_and(|cx| cx.mask(object).hides(field));
                if name.of.is_some_and(is_hidden) {
                    return Access::None;
                }
                name.field.map_or(Access::Edit, |field| masks.object.access(field))
            }
        }
    }
}

/// Checks a mapping. A hidden field answers as an unknown one, an archived one too.
pub fn check(
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
    let owner = |target: &Target| matches!(target, Target::Owner | Target::Value("owner_id", _));
    // A field has an id or a name of what it names.
    let feeds = |target: &Target, of: &str| match target {
        Target::Value(field, _) => *field == of,
        _ => false,
    };
    match (one, other) {
        (Target::Texts(_), Target::Texts(_)) => false,
        (Target::Id, Target::Id) => true,
        (Target::Named(name), Target::Named(other)) => name.name == other.name,
        (Target::Named(name), other) | (other, Target::Named(name)) => {
            name.replaces && name.field.is_some_and(|field| feeds(other, field))
        }
        (Target::Value(field, _), Target::Value(other, _)) if field == other => true,
        // An amount has one form.
        (Target::Value(field, Kind::Money), Target::Value(part, Kind::Minor))
        | (Target::Value(part, Kind::Minor), Target::Value(field, Kind::Money)) => {
            part.split('.').next() == Some(field)
        }
        (Target::ExternalId(system), Target::ExternalId(other)) => system == other,
        (Target::Part(part), Target::Part(other)) => part == other,
        (Target::Custom(key), Target::Custom(other)) => key == other,
        _ => owner(one) && owner(other),
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
    if field == "id" && importable.by_id {
        return Some(Target::Id);
    }
    let (root, rest) = field.split_once('.')?;
    match (root, rest) {
        ("custom", key) => return Some(Target::Custom(key.to_owned())),
        ("external_ids", system) => {
            let is_name = system.trim() == system && (1..=SYSTEM_CHARS).contains(&system.chars().count());
            return is_name.then(|| Target::ExternalId(system.to_owned()));
        }
        ("owner", "email") => return Some(Target::Owner),
        _ => {}
    }
    if let Some(name) = importable.names.iter().find(|name| name.name == field) {
        return Some(Target::Named(name));
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
