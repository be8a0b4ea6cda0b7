//! Which column and which field a violation of a row is about. Every error names at least one of them.

use super::mapping::{Column, Part, Target};
use super::plan::Plan;
use super::row::ReadRow;

/// The header of the column, empty where none feeds the field, and the field as a mapping names it.
pub(super) fn place(plan: &Plan, row: &ReadRow, pointer: &str) -> (String, String) {
    let segments: Vec<String> =
        pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect();
    let Some(root) = segments.first() else { return whole(plan) };
    let rest = |at: usize| segments.get(at).map(String::as_str);
    let columns = || plan.columns.iter().map(|(_, column)| column);
    let column = if let Some((list, at)) = entry(plan, row, root, rest(1)) {
        let part = rest(if root.ends_with(']') { 1 } else { 2 });
        let is = |column: &&Column, same_entry: bool, same_part: bool| {
            matches!(column.target, Target::Part(Part { list: l, at: a, name: p, .. })
                    if l == list && (!same_entry || Some(a) == at) && (!same_part || Some(p) == part))
        };
        let exact = columns().find(|column| is(column, true, true));
        let of_entry = || columns().find(|column| is(column, true, false));
        exact.or_else(of_entry).or_else(|| columns().find(|column| is(column, false, false)))
    } else {
        let exact = columns().find(|column| feeds(&column.target, root, rest(1)));
        exact.or_else(|| columns().find(|column| feeds(&column.target, root, None)))
    };
    if let Some(column) = column {
        return (column.header.clone(), column.field.clone());
    }
    let names = segments.iter().filter(|name| name.parse::<usize>().is_err());
    (String::new(), names.map(String::as_str).collect::<Vec<_>>().join("."))
}

/// The row as a whole: the columns that say who or what it is about.
fn whole(plan: &Plan) -> (String, String) {
    let needs = plan.importable.needs;
    let names = |column: &&Column| needs.contains(&column.field.as_str());
    let columns = plan.columns.iter().map(|(_, column)| column).filter(names);
    let headers: Vec<&str> = columns.map(|column| column.header.as_str()).collect();
    (headers.join(", "), needs.join(", "))
}

/// The list and the place in the mapping of the entry that a pointer is about.
fn entry(
    plan: &Plan,
    row: &ReadRow,
    root: &str,
    index: Option<&str>,
) -> Option<(&'static str, Option<usize>)> {
    if let Some((name, at)) = root.strip_suffix(']').and_then(|root| root.split_once('[')) {
        return Some((plan.importable.list(name)?.field, at.parse().ok()));
    }
    let list = plan.importable.list(root)?.field;
    let places = row.places.iter().find(|(known, _)| *known == list).map(|(_, places)| places);
    let index: Option<usize> = index.and_then(|index| index.parse().ok());
    Some((list, places.zip(index).and_then(|(places, index)| places.get(index).copied())))
}

/// Whether a target is the field; with a name, that member of it.
fn feeds(target: &Target, root: &str, member: Option<&str>) -> bool {
    match target {
        Target::Value(field, _) => match field.split_once('.') {
            Some((field, part)) => field == root && member.is_none_or(|member| member == part),
            None => *field == root,
        },
        Target::Texts(field) => *field == root,
        Target::Id => root == "id",
        Target::Owner => root == "owner_id",
        Target::Part(part) => part.list == root,
        Target::ExternalId(system) => root == "external_ids" && member.is_none_or(|name| name == system),
        Target::Named(name) => {
            let is_its = name
                .name
                .split_once('.')
                .is_some_and(|(named, part)| named == root && member.is_none_or(|member| member == part));
            is_its || name.field == Some(root)
        }
        Target::Custom(key) => root == "custom" && member == Some(key.as_str()),
    }
}
