//! Conditions as SQL. The table is always called `t`, and `$1` is the tenant.
//!
//! A test comes out as TRUE for the rows that pass it and as FALSE or NULL for the others, which is the same in a WHERE
//! without NOT; its complement is written `(test) IS NOT TRUE`.

pub(crate) mod custom;

use field_types::{SLOT_TEXT_CHARS, SlotKind};

use crate::check::{Amount, Condition, Test};
use crate::filter::Op;
use crate::schema::{CustomField, Field, Kind, Set, SetKind, Source};
use crate::sql::{Bind, Sql};

/// Appends a condition; `AND` and `OR` stand in brackets.
pub(crate) fn condition(sql: &mut Sql, condition: &Condition<'_>) {
    match condition {
        Condition::And(parts) => joined(sql, parts, " AND "),
        Condition::Or(parts) => joined(sql, parts, " OR "),
        Condition::Test { field, test, negated } => {
            let (text, is_exists) = match field.source {
                Source::Standard(field) => (standard(sql, field, test), matches!(field.kind, Kind::Set(_))),
                Source::Custom(field) => (custom::test(sql, field, test), false),
            };
            sql.push(match (*negated, is_exists) {
                (false, _) => text,
                // EXISTS is never NULL, and NOT EXISTS can be an anti-join.
                (true, true) => format!("NOT {text}"),
                (true, false) => format!("({text}) IS NOT TRUE"),
            });
        }
    }
}

/// What an unindexed custom field is sorted by: its typed value; text without regard to case.
pub(crate) fn sortable_value(sql: &mut Sql, field: &CustomField) -> String {
    let value = custom::typed_value(sql, field);
    match field.field_type.slot_kind() {
        Some(SlotKind::Text) => format!("lower(left({value}, {SLOT_TEXT_CHARS})) COLLATE \"C\""),
        _ => value,
    }
}

fn joined(sql: &mut Sql, parts: &[Condition<'_>], word: &str) {
    sql.push("(");
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            sql.push(word);
        }
        condition(sql, part);
    }
    sql.push(")");
}

fn standard(sql: &mut Sql, field: &Field, test: &Test) -> String {
    let column = format!("t.{}", field.column);
    match (field.kind, test) {
        (Kind::Set(set), test) => in_set(sql, field, set, test),
        (Kind::Text { key: Some(key) }, Test::Prefix(prefix)) => {
            prefix_range(sql, &format!("t.{key}"), prefix)
        }
        (Kind::Text { key: Some(key) }, Test::Text(texts)) => {
            let by_key = equal_key(sql, &format!("t.{key}"), texts, field_types::search_key);
            let exact = equal(sql, &column, text_binds(texts));
            format!("({by_key} AND {exact})")
        }
        (Kind::Money { currency }, Test::Money(op, amounts)) => {
            let currency = format!("t.{currency}");
            money(sql, &column, Bind::Int, &currency, *op, amounts)
        }
        (_, test) => plain(sql, &column, test),
    }
}

/// A test of one column that holds the value itself.
fn plain(sql: &mut Sql, column: &str, test: &Test) -> String {
    match test {
        Test::Present => format!("{column} IS NOT NULL"),
        Test::Text(texts) => equal(sql, column, text_binds(texts)),
        Test::OneOf(values) => equal(sql, column, values.clone()),
        Test::Compare(op, value) => format!("{column} {} {}", op.as_str(), sql.bind(value.clone())),
        Test::Prefix(prefix) => prefix_range(sql, column, prefix),
        // Checking never pairs these with a plain column; nothing passes.
        Test::Money(..) | Test::ContainsKey(_) | Test::ContainsOption(_) => "FALSE".to_owned(),
    }
}

fn in_set(sql: &mut Sql, field: &Field, set: Set, test: &Test) -> String {
    let value = format!("s.{}", field.column);
    let matching = match (test, set.kind) {
        (Test::Present, _) => String::new(),
        (Test::ContainsKey(wanted), SetKind::Text { key: Some(key) }) => {
            format!(" AND s.{key} = {}", sql.bind(Bind::Text(wanted.clone())))
        }
        (test, _) => format!(" AND {}", plain(sql, &value, test)),
    };
    let Set { table, parent, .. } = set;
    format!("EXISTS (SELECT 1 FROM {table} AS s WHERE s.tenant_id = $1 AND s.{parent} = t.id{matching})")
}

fn equal(sql: &mut Sql, column: &str, mut values: Vec<Bind>) -> String {
    match (values.pop(), values.is_empty()) {
        (Some(only), true) => format!("{column} = {}", sql.bind(only)),
        (Some(last), false) => {
            values.push(last);
            format!("{column} = ANY({})", sql.bind(Bind::array(values)))
        }
        (None, _) => "FALSE".to_owned(),
    }
}

/// Equality of search keys: what the index finds, more than what is equal.
fn equal_key(sql: &mut Sql, column: &str, texts: &[String], key: impl Fn(&str) -> String) -> String {
    let mut keys: Vec<String> = texts.iter().map(|text| key(text)).collect();
    keys.sort_unstable();
    keys.dedup();
    equal(sql, column, text_binds(&keys))
}

fn text_binds(texts: &[String]) -> Vec<Bind> {
    texts.iter().cloned().map(Bind::Text).collect()
}

/// `LIKE 'prefix%'` cannot use an index under row level security; the range on `COLLATE "C"` can.
fn prefix_range(sql: &mut Sql, column: &str, prefix: &str) -> String {
    let from = sql.bind(Bind::Text(prefix.to_owned()));
    match after_prefix(prefix) {
        Some(end) => format!("({column} >= {from} AND {column} < {})", sql.bind(Bind::Text(end))),
        None => format!("{column} >= {from}"),
    }
}

/// The least text greater than every text that begins with `prefix`, in the order of code points.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut rest = prefix.to_owned();
    while let Some(last) = rest.pop() {
        // The surrogates are no characters.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            rest.push(next);
            return Some(rest);
        }
    }
    None
}

fn money(
    sql: &mut Sql,
    amount: &str,
    bind: fn(i64) -> Bind,
    currency: &str,
    op: Op,
    amounts: &[Amount],
) -> String {
    let parts: Vec<String> = amounts
        .iter()
        .map(|wanted| {
            let minor = sql.bind(bind(wanted.minor));
            let code = sql.bind(Bind::Text(wanted.currency.to_owned()));
            format!("({amount} {} {minor} AND {currency} = {code})", op.as_str())
        })
        .collect();
    match parts.as_slice() {
        [only] => only.clone(),
        _ => format!("({})", parts.join(" OR ")),
    }
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn the_end_of_a_prefix_follows_the_last_character_that_has_a_successor() {
        assert_eq!(after_prefix("mey").as_deref(), Some("mez"));
        assert_eq!(after_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(after_prefix("\u{10ffff}"), None);
    }
}
