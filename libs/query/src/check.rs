//! From the tree of a filter to conditions whose fields exist and whose values have the fields' types.
//!
//! `NOT` is pushed down to the single tests (an `AND` under it becomes an `OR`), so that the exact complement of a test
//! can be written where SQL's third truth value would get in the way.

mod values;

use error::Error;
use field_types::phone::Region;
use field_types::{FieldType, text};

use crate::filter::{Comparison, Expr, Literal, Op};
use crate::list::Deleted;
use crate::refusal;
use crate::schema::{CustomField, Field, Kind, Named, Schema, SetKind, Source};
use crate::sql::Bind;
pub(crate) use values::Amount;
use values::Operand;

/// What may be done at the price of a scan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Whether fields without index may be filtered and sorted by, which looks at every row; only where there are few.
    pub allow_unindexed: bool,
}

impl Limits {
    /// Nothing is refused for its price.
    pub const NONE: Self = Self { allow_unindexed: true };
}

/// A checked filter in negation normal form.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition<'a> {
    And(Vec<Condition<'a>>),
    Or(Vec<Condition<'a>>),
    Test { field: Named<'a>, test: Test, negated: bool },
}

/// What is asked of one field; an unset value passes none of these.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    /// Has a value.
    Present,
    /// Equals one of the texts after NFC.
    Text(Vec<String>),
    /// Equals one of these, all of one type.
    OneOf(Vec<Bind>),
    /// Compares with one value by `< <= > >=`.
    Compare(Op, Bind),
    /// Has the currency, and the minor units compare (`=` included) with one of these.
    Money(Op, Vec<Amount>),
    /// The search key begins with this search key (not empty).
    Prefix(String),
    /// The set contains a value whose search key is this.
    ContainsKey(String),
    /// The multi-picklist contains this option.
    ContainsOption(String),
}

impl<'a> Condition<'a> {
    /// The comparisons that no index answers.
    pub(crate) fn unindexed(&self, rows: Deleted) -> u64 {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().map(|part| part.unindexed(rows)).sum(),
            Self::Test { field, .. } => u64::from(!field.is_indexed(rows)),
        }
    }

    /// Whether some comparison reads a custom value that has no slot.
    pub(crate) fn reads_unpacked(&self) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(Condition::reads_unpacked),
            Self::Test { field, .. } => field.is_unpacked(),
        }
    }

    /// The first field without index that is looked at in every row: not where an index has chosen the rows.
    pub(crate) fn scanned(&self, rows: Deleted) -> Option<Named<'a>> {
        match self {
            Self::And(parts) if parts.iter().any(|part| part.chosen(rows).is_some()) => None,
            Self::And(parts) | Self::Or(parts) => parts.iter().find_map(|part| part.scanned(rows)),
            Self::Test { .. } => self.first_unindexed(rows),
        }
    }

    /// Of a condition that scans nothing, the rows in which fields without index are looked at nevertheless, as the condition
    /// by which indexes choose them; and one of those fields.
    pub(crate) fn looked_at(&self, rows: Deleted) -> Option<(Self, Named<'a>)> {
        let (Self::And(parts) | Self::Or(parts)) = self else { return None };
        if let (Self::And(_), Some(chosen)) = (self, self.chosen(rows)) {
            return self.first_unindexed(rows).map(|field| (chosen, field));
        }
        let (parts, fields): (Vec<_>, Vec<_>) = parts.iter().filter_map(|part| part.looked_at(rows)).unzip();
        fields.first().map(|field| (Self::Or(parts), *field))
    }

    /// The first field without index.
    fn first_unindexed(&self, rows: Deleted) -> Option<Named<'a>> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().find_map(|part| part.first_unindexed(rows)),
            Self::Test { field, .. } => (!field.is_indexed(rows)).then_some(*field),
        }
    }

    /// The part by which indexes find the rows: all that have a value, or all but some, is no choice.
    fn chosen(&self, rows: Deleted) -> Option<Self> {
        match self {
            Self::And(parts) => {
                let chosen: Vec<_> = parts.iter().filter_map(|part| part.chosen(rows)).collect();
                (!chosen.is_empty()).then_some(Self::And(chosen))
            }
            Self::Or(parts) => {
                parts.iter().map(|part| part.chosen(rows)).collect::<Option<_>>().map(Self::Or)
            }
            Self::Test { field, test, negated } => {
                let chooses = !negated && *test != Test::Present && field.is_indexed(rows);
                chooses.then(|| self.clone())
            }
        }
    }
}

impl PartialEq for Named<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Checks every comparison of a filter.
pub(crate) fn check<'a>(schema: &Schema<'a>, expr: &'a Expr) -> Result<Condition<'a>, Error> {
    Checker { schema }.expr(expr, false)
}

struct Checker<'s, 'a> {
    schema: &'s Schema<'a>,
}

impl<'a> Checker<'_, 'a> {
    fn expr(&self, expr: &'a Expr, negated: bool) -> Result<Condition<'a>, Error> {
        let parts =
            |parts: &'a [Expr]| parts.iter().map(|part| self.expr(part, negated)).collect::<Result<_, _>>();
        match expr {
            Expr::Not(inner) => self.expr(inner, !negated),
            Expr::And(list) if negated => Ok(Condition::Or(parts(list)?)),
            Expr::Or(list) if negated => Ok(Condition::And(parts(list)?)),
            Expr::And(list) => Ok(Condition::And(parts(list)?)),
            Expr::Or(list) => Ok(Condition::Or(parts(list)?)),
            Expr::Compare(comparison) => {
                let field = self.schema.field("filter", comparison.at, &comparison.field)?;
                let negated = negated ^ (comparison.op == Op::Ne);
                if matches!(field.source, Source::Standard(Field { kind: Kind::Passed, .. })) {
                    let test = Test::Compare(Op::Le, Bind::Now(self.schema.now));
                    return Ok(Condition::Test { field, test, negated: negated ^ !has_passed(comparison)? });
                }
                let test = self.test(field, comparison)?;
                Ok(Condition::Test { field, test, negated })
            }
        }
    }

    fn test(&self, field: Named<'a>, comparison: &Comparison) -> Result<Test, Error> {
        let asks_presence = matches!(comparison.values.as_slice(), [only] if only.literal == Literal::Any);
        if asks_presence {
            return Ok(Test::Present);
        }
        match field.source {
            Source::Standard(standard) => standard_test(standard.kind, comparison, self.schema.region),
            Source::Custom(custom) if custom.field_type == FieldType::MultiPicklist => {
                allow(comparison, &[Op::Has])?;
                if first_text(comparison)?.is_none() {
                    return Ok(Test::Present);
                }
                let keys = each(comparison, |value| values::option(value, &custom.options))?;
                Ok(keys.into_iter().next().map_or(Test::Present, Test::ContainsOption))
            }
            // No slot, no folded column, nothing that could find a prefix.
            Source::Custom(custom) if comparison.op == Op::Has && custom.slot.is_none() => {
                allow(comparison, values::operators(custom.field_type))?;
                Err(refusal::operator_not_indexed(self.schema.table.object, field.name))
            }
            Source::Custom(custom) => custom_test(custom, comparison, self.schema.region),
        }
    }
}

/// Whether a moment is to have passed: there is nothing else to ask of it.
fn has_passed(comparison: &Comparison) -> Result<bool, Error> {
    allow(comparison, &[Op::Eq, Op::Ne])?;
    match each(comparison, values::boolean)?.as_slice() {
        [only] => Ok(*only),
        _ => Err(refusal::type_mismatch(comparison.at, "one of true and false is expected")),
    }
}

fn standard_test(kind: Kind, comparison: &Comparison, region: Option<Region>) -> Result<Test, Error> {
    match kind {
        Kind::Text { key: None } => equal_texts(comparison, &[Op::Eq, Op::Ne], text::nfc),
        Kind::Text { key: Some(_) } => searchable_text(comparison, text::nfc, field_types::search_key),
        Kind::Integer => ordered(comparison, values::integer, Bind::Int),
        Kind::Float => ordered(comparison, values::decimal, Bind::Float),
        Kind::Boolean | Kind::Passed => one_of(comparison, &[Op::Eq, Op::Ne], values::boolean, Bind::Bool),
        Kind::Date => ordered(comparison, values::date, Bind::Date),
        Kind::Timestamp => ordered(comparison, values::timestamp, Bind::Time),
        Kind::Uuid => one_of(comparison, &[Op::Eq, Op::Ne], values::id, Bind::Uuid),
        Kind::Enum(allowed) => {
            one_of(comparison, &[Op::Eq, Op::Ne], |value| values::choice(value, allowed), Bind::Text)
        }
        Kind::Money { .. } => money(comparison),
        Kind::Set(set) => {
            let contains = &[Op::Eq, Op::Ne, Op::Has];
            match set.kind {
                SetKind::Text { key: Some(_) } if comparison.op == Op::Has => Ok(first_text(comparison)?
                    .map_or(Test::Present, |wanted| Test::ContainsKey(field_types::search_key(&wanted)))),
                SetKind::Text { .. } => equal_texts(comparison, contains, text::nfc),
                SetKind::Email => equal_texts(comparison, contains, values::canonical_email),
                SetKind::Domain => equal_texts(comparison, contains, values::canonical_domain),
                SetKind::Phone => {
                    equal_texts(comparison, contains, |text| values::canonical_phone(text, region))
                }
                SetKind::Uuid => one_of(comparison, contains, values::id, Bind::Uuid),
            }
        }
    }
}

fn custom_test(field: &CustomField, comparison: &Comparison, region: Option<Region>) -> Result<Test, Error> {
    let field_type = field.field_type;
    match field_type {
        FieldType::Text => searchable_text(comparison, text::nfc, field_types::search_key),
        FieldType::Email => searchable_text(comparison, values::canonical_email, values::email_prefix),
        FieldType::Phone => searchable_text(
            comparison,
            |text| values::canonical_phone(text, region),
            |text| values::phone_prefix(text, region),
        ),
        FieldType::Url => searchable_text(comparison, values::canonical_url, values::url_prefix),
        FieldType::LongText => equal_texts(comparison, values::operators(field_type), text::nfc),
        FieldType::Picklist | FieldType::MultiPicklist => {
            let option = |value: &Literal| values::option(value, &field.options);
            one_of(comparison, values::operators(field_type), option, Bind::Text)
        }
        FieldType::Integer => {
            ordered(comparison, |value| values::integer(value).map(|n| n as f64), Bind::Float)
        }
        FieldType::Decimal => ordered(comparison, values::decimal, Bind::Float),
        FieldType::Boolean => one_of(comparison, values::operators(field_type), values::flag, Bind::Float),
        FieldType::Money => money(comparison),
        FieldType::Date => ordered(comparison, values::midnight, Bind::Time),
        FieldType::Datetime => ordered(comparison, values::timestamp, Bind::Time),
        FieldType::Lookup => one_of(comparison, values::operators(field_type), values::id, Bind::Uuid),
    }
}

/// `canonical` is the stored form of a value, `prefix` the key of the beginning of one.
fn searchable_text(
    comparison: &Comparison,
    canonical: impl Fn(&str) -> String,
    prefix: impl Fn(&str) -> String,
) -> Result<Test, Error> {
    if comparison.op != Op::Has {
        return equal_texts(comparison, &[Op::Eq, Op::Ne, Op::Has], canonical);
    }
    // An empty prefix begins every text.
    Ok(first_text(comparison)?.map_or(Test::Present, |text| match prefix(&text) {
        key if key.is_empty() => Test::Present,
        key => Test::Prefix(key),
    }))
}

fn equal_texts(
    comparison: &Comparison,
    ops: &[Op],
    canonical: impl Fn(&str) -> String,
) -> Result<Test, Error> {
    allow(comparison, ops)?;
    Ok(Test::Text(each(comparison, |value| values::text(value).map(|text| canonical(&text)))?))
}

fn one_of<T>(
    comparison: &Comparison,
    ops: &[Op],
    read: impl Fn(&Literal) -> Operand<T>,
    bind: fn(T) -> Bind,
) -> Result<Test, Error> {
    allow(comparison, ops)?;
    Ok(Test::OneOf(each(comparison, read)?.into_iter().map(bind).collect()))
}

fn ordered<T>(
    comparison: &Comparison,
    read: impl Fn(&Literal) -> Operand<T>,
    bind: fn(T) -> Bind,
) -> Result<Test, Error> {
    allow(comparison, values::ORDERED)?;
    let mut values: Vec<Bind> = each(comparison, read)?.into_iter().map(bind).collect();
    match comparison.op {
        Op::Eq | Op::Ne => Ok(Test::OneOf(values)),
        op => match values.pop() {
            Some(value) => Ok(Test::Compare(op, value)),
            None => Err(refusal::filter(comparison.at, "a value is expected")),
        },
    }
}

fn money(comparison: &Comparison) -> Result<Test, Error> {
    allow(comparison, values::ORDERED)?;
    let op = if comparison.op == Op::Ne { Op::Eq } else { comparison.op };
    Ok(Test::Money(op, each(comparison, values::amount)?))
}

/// The text after `:`; `None` for the empty text, which anything contains.
fn first_text(comparison: &Comparison) -> Result<Option<String>, Error> {
    let texts = each(comparison, values::text)?;
    Ok(texts.into_iter().next().map(|text| text::nfc(&text)).filter(|text| !text.is_empty()))
}

fn each<T>(comparison: &Comparison, read: impl Fn(&Literal) -> Operand<T>) -> Result<Vec<T>, Error> {
    comparison
        .values
        .iter()
        .map(|value| read(&value.literal).map_err(|expected| refusal::type_mismatch(value.at, expected)))
        .collect()
}

fn allow(comparison: &Comparison, ops: &[Op]) -> Result<(), Error> {
    if ops.contains(&comparison.op) {
        return Ok(());
    }
    let possible: Vec<&str> = ops.iter().map(|op| op.as_str()).collect();
    let detail = format!("the operators of this field are {}", possible.join(" "));
    Err(refusal::type_mismatch(comparison.at, detail))
}
