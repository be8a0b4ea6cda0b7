//! The standard fields of an object: one row each, and no other list of them.

use query::{Column, Field, Set, SetKind, Statements, Stored, Table};
use serde_json::Value;

use super::reference::PEOPLE;
use super::{Fields, Naming, Object};

/// A standard field. A declaration reads as a sentence: `line("first_name").searched().indexed()`.
#[derive(Clone, Copy, Debug)]
pub struct Standard {
    pub(crate) name: &'static str,
    /// The object whose id the field holds.
    pub(crate) of: Option<&'static str>,
    /// The fields that it is computed of; empty where callers write it.
    pub(crate) computed: &'static [&'static str],
    kind: Kind,
    /// In SQL, what stands in the column for no value.
    empty: Option<&'static str>,
    required: bool,
    searched: bool,
    indexed: bool,
    indexed_in_trash: bool,
    output: bool,
    guarded: bool,
    input: bool,
    told_by: &'static [&'static str],
    /// Public names, columns and side tables of the values that filters find.
    sets: [Option<(&'static str, &'static str, Set)>; 2],
    naming: Option<&'static Naming>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Neither filtered nor ordered by.
    Kept,
    Text,
    /// Ordered as it is.
    Code,
    Integer,
    Flag,
    Date,
    Timestamp,
    Passed,
    Id,
    Choice(&'static [&'static str]),
    Money,
}

impl Standard {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            of: None,
            computed: &[],
            kind,
            empty: None,
            required: false,
            searched: false,
            indexed: false,
            indexed_in_trash: false,
            output: false,
            guarded: false,
            input: false,
            told_by: &[],
            sets: [None, None],
            naming: None,
        }
    }

    /// `text` that filters compare for equality.
    pub const fn line(name: &'static str) -> Self {
        Self::new(name, Kind::Text)
    }

    /// `text` that is neither filtered nor ordered by.
    pub const fn lines(name: &'static str) -> Self {
        Self::new(name, Kind::Kept)
    }

    /// `int4` or `int8`.
    pub const fn integer(name: &'static str) -> Self {
        Self::new(name, Kind::Integer)
    }

    /// `boolean NOT NULL`, false where nothing is sent.
    pub const fn flag(name: &'static str) -> Self {
        let field = Self::new(name, Kind::Flag);
        Self { empty: Some("false"), required: true, ..field }
    }

    /// `date`.
    pub const fn date(name: &'static str) -> Self {
        Self::new(name, Kind::Date)
    }

    /// `timestamptz`.
    pub const fn timestamp(name: &'static str) -> Self {
        Self::new(name, Kind::Timestamp)
    }

    /// `timestamptz` that is told as whether it has passed: a flag in messages and filters, which changes without a change of the record.
    pub const fn passed(name: &'static str) -> Self {
        Self::new(name, Kind::Passed)
    }

    /// `uuid`: the id of a user, a team or a record.
    pub const fn id(name: &'static str, of: &'static str) -> Self {
        Self { of: Some(of), ..Self::new(name, Kind::Id) }
    }

    /// `uuid`: an id that names no record of any object. The object's guard checks it.
    pub const fn key(name: &'static str) -> Self {
        Self::new(name, Kind::Id)
    }

    /// Text that callers send and that is not stored: the object's guard reads it.
    pub const fn input(name: &'static str) -> Self {
        Self { input: true, ..Self::new(name, Kind::Kept) }
    }

    /// `text` of ASCII that is ordered byte by byte, as it is.
    pub const fn code(name: &'static str) -> Self {
        Self::new(name, Kind::Code)
    }

    /// `text` that holds one of `values`.
    pub const fn choice(name: &'static str, values: &'static [&'static str]) -> Self {
        Self::new(name, Kind::Choice(values))
    }

    /// `jsonb`, with the columns `<name>_minor` and `<name>_currency` by which it is compared.
    pub const fn money(name: &'static str) -> Self {
        Self::new(name, Kind::Money)
    }

    /// `jsonb NOT NULL` that holds a list.
    pub const fn list(name: &'static str) -> Self {
        Self { empty: Some("'[]'::jsonb"), ..Self::new(name, Kind::Kept) }
    }

    /// `jsonb NOT NULL` that holds an object.
    pub const fn map(name: &'static str) -> Self {
        Self { empty: Some("'{}'::jsonb"), ..Self::new(name, Kind::Kept) }
    }

    /// `text[] NOT NULL`.
    pub const fn texts(name: &'static str) -> Self {
        Self { empty: Some("'{}'::text[]"), ..Self::new(name, Kind::Kept) }
    }

    /// Every record has a value.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// Searched by prefix and ordered by: the column `<name>_folded` holds its search key.
    #[must_use]
    pub const fn searched(self) -> Self {
        Self { searched: true, ..self }
    }

    /// An index serves live lists that are filtered or ordered by it, however many records there are. Without it they are refused above
    /// 20,000 records, unless an index serves another part of the filter. The suite `catalog` holds the declaration against the
    /// indexes that there are.
    #[must_use]
    pub const fn indexed(self) -> Self {
        Self { indexed: true, ..self }
    }

    /// An index serves the trash in its order.
    #[must_use]
    pub const fn indexed_in_trash(self) -> Self {
        Self { indexed_in_trash: true, ..self }
    }

    /// Computed of these fields by [`Object::derive`], which gives it away with them.
    #[must_use]
    pub const fn computed(self, of: &'static [&'static str]) -> Self {
        Self { computed: of, ..self }
    }

    /// Written by other means than a change of the record.
    #[must_use]
    pub const fn output(self) -> Self {
        Self { output: true, ..self }
    }

    /// It says what these fields say: to whom one of them is hidden, it is hidden as well.
    #[must_use]
    pub const fn told_by(self, fields: &'static [&'static str]) -> Self {
        Self { told_by: fields, ..self }
    }

    /// Set by the object's guard and by nobody else.
    #[must_use]
    pub const fn guarded(self) -> Self {
        Self { guarded: true, ..self }
    }

    /// Its values stand in a side table as well, where filters find them as `name` by an index; `column` is the value's column there.
    /// Twice at most.
    #[must_use]
    pub const fn set(self, name: &'static str, column: &'static str, set: Set) -> Self {
        let found = Some((name, column, set));
        let sets = match self.sets {
            [None, _] => [found, None],
            [first, _] => [first, found],
        };
        Self { sets, ..self }
    }

    /// Its value names records, each of which the caller must be able to read.
    #[must_use]
    pub const fn naming(self, naming: &'static Naming) -> Self {
        Self { naming: Some(naming), ..self }
    }

    pub(crate) fn is_money(&self) -> bool {
        matches!(self.kind, Kind::Money)
    }

    /// Whether it holds texts of many lines.
    fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Kept) && self.empty.is_none() && !self.input
    }

    fn is_written_by_callers(&self) -> bool {
        !self.output && !self.guarded && self.computed.is_empty()
    }

    /// The fields that it gives away.
    fn made_of(&self) -> &'static [&'static str] {
        if self.computed.is_empty() { self.told_by } else { self.computed }
    }

    /// Whether a change of it is a change of the record.
    fn is_compared(&self) -> bool {
        self.guarded || self.is_written_by_callers()
    }

    /// What filters and orders see of it.
    fn fields(&self) -> impl Iterator<Item = Field> {
        let Self { name, .. } = *self;
        let folded = || -> &'static str { format!("{name}_folded").leak() };
        let field = match self.kind {
            Kind::Kept => None,
            Kind::Text if self.searched => Some(Field::searchable(name, name, folded())),
            Kind::Text => Some(Field::text(name, name)),
            Kind::Code => Some(Field::searchable(name, name, name)),
            Kind::Integer => Some(Field::integer(name, name)),
            Kind::Flag => Some(Field::boolean(name, name)),
            Kind::Date => Some(Field::date(name, name)),
            Kind::Timestamp => Some(Field::timestamp(name, name)),
            Kind::Passed => Some(Field::passed(name, name)),
            Kind::Id => Some(Field::uuid(name, name)),
            Kind::Choice(values) => Some(Field::choice(name, name, values)),
            Kind::Money => {
                let [minor, currency] = money(name).map(|column| -> &'static str { column.leak() });
                Some(Field::money(name, minor, currency))
            }
        };
        let field = field.map(|field| if self.required { field } else { field.nullable() });
        let field = field.map(|field| if self.indexed { field.indexed() } else { field });
        let field = field.map(|field| if self.indexed_in_trash { field.indexed_in_trash() } else { field });
        let field = field.map(|field| field.reads(self.made_of()));
        let sets = self.sets.into_iter().flatten().map(move |(public, column, set)| {
            let field = Field::set(public, column, set);
            if public == name { field } else { field.reads(&*vec![name].leak()) }
        });
        field.into_iter().chain(sets)
    }

    /// The columns that are made of its value.
    fn derived(&self) -> Vec<String> {
        let own = (!self.computed.is_empty()).then(|| self.name.to_owned());
        let folded = self.searched.then(|| format!("{}_folded", self.name));
        let money = self.is_money().then(|| money(self.name)).into_iter().flatten();
        own.into_iter().chain(folded).chain(money).collect()
    }
}

fn money(name: &str) -> [String; 2] {
    ["minor", "currency"].map(|part| format!("{name}_{part}"))
}

/// Fields that records of every object have and that only this library writes.
const SYSTEM: [Standard; 7] = [
    Standard::integer("version").required(),
    Standard::timestamp("created_at").required().indexed(),
    Standard::id("created_by", "user").required(),
    Standard::timestamp("updated_at").required().indexed(),
    Standard::id("updated_by", "user").required(),
    Standard::timestamp("deleted_at").indexed_in_trash(),
    Standard::choice("source", &["api", "import"]).required(),
];

/// Fields that records of every object have and that callers write.
const COMMON: [Standard; 4] = [
    Standard::id("owner_id", "user").indexed(),
    Standard::id("team_id", "team").indexed(),
    Standard::map("external_ids"),
    Standard::texts("tags").set(
        "tags",
        "tag",
        Set { table: "record_tag", parent: "record_id", kind: SetKind::Text { key: Some("tag_folded") } },
    ),
];

/// What follows from the fields of an object. Built at its first use; it lives as long as the process.
#[derive(Debug)]
pub(crate) struct Shape {
    /// The columns of a row, see [`super::Record::from_row`].
    pub(crate) columns: Vec<Column>,
    /// What filters and orders see.
    pub(crate) table: Table,
    /// Fields that callers write.
    pub(crate) writable: Vec<&'static str>,
    /// Fields whose change is a change of the record: those, and what its guard sets.
    pub(crate) compared: Vec<&'static str>,
    /// Fields that give others away: the field and those it is made of.
    pub(crate) computed: Vec<(&'static str, &'static [&'static str])>,
    /// Fields that give others away, computed or not: the field and those.
    pub(crate) telling: Vec<(&'static str, &'static [&'static str])>,
    /// Fields that hold an id: the field and what it names.
    pub(crate) links: Vec<(&'static str, &'static str)>,
    /// Fields that hold lists of ids.
    pub(crate) naming: Vec<(&'static str, &'static Naming)>,
    /// Some of them hold texts of many lines.
    pub(crate) has_texts: bool,
    /// Texts of many lines are computed of others.
    pub(crate) computes_texts: bool,
    pub(crate) statements: Statements,
    searched: Vec<(&'static str, String)>,
    money: Vec<(&'static str, [String; 2])>,
}

impl Shape {
    pub(crate) fn of(object: &Object) -> Self {
        let own = || COMMON.iter().chain(object.fields);
        let always = ["version", "owner_id", "team_id"]
            .map(|name| -> &'static str { format!("{name} AS _{name}").leak() });
        let always = always.into_iter().map(|name| Column { name, fields: &[] });
        let shown = SYSTEM
            .iter()
            .chain(own())
            .filter(|field| !field.input)
            .map(|field| Column { name: field.name, fields: &*vec![field.name].leak() });
        let columns: Vec<Column> = always.chain(shown).collect();
        let mut written = Vec::new();
        let mut derived = Vec::new();
        for field in own().filter(|field| !field.output && !field.input) {
            written.push((field.name.to_owned(), field.empty));
            let made = field.derived();
            written.extend(made.iter().filter(|name| *name != field.name).map(|name| (name.clone(), None)));
            derived.extend(made);
        }
        // Users and teams are not removed, so nothing follows them.
        let ids: Vec<&str> = own()
            .filter(|field| field.of.is_some_and(|of| !PEOPLE.contains(&of)))
            .map(|field| field.name)
            .collect();
        let lists: Vec<&str> = own().filter(|field| field.naming.is_some()).map(|field| field.name).collect();
        let statements = Statements::of(&Stored {
            object: object.name,
            table: object.table,
            title: object.title,
            columns: &columns,
            written: &written,
            derived: &derived,
            above: object.tree,
            ids: &ids,
            lists: &lists,
        });
        let fields = SYSTEM.iter().chain(own()).flat_map(Standard::fields);
        let fields: Vec<Field> = std::iter::once(Field::uuid("id", "id")).chain(fields).collect();
        let table = Table {
            object: object.name,
            name: object.table,
            deleted_at: Some("deleted_at"),
            has_custom: true,
            fields: fields.leak(),
        };
        Self {
            table,
            statements,
            writable: own().filter(|field| field.is_written_by_callers()).map(|field| field.name).collect(),
            compared: own().filter(|field| field.is_compared()).map(|field| field.name).collect(),
            computed: own().filter(|f| !f.computed.is_empty()).map(|f| (f.name, f.computed)).collect(),
            telling: own().filter(|f| !f.made_of().is_empty()).map(|f| (f.name, f.made_of())).collect(),
            links: own().filter_map(|field| Some((field.name, field.of?))).collect(),
            has_texts: own().any(Standard::is_text),
            computes_texts: own().any(|field| field.is_text() && !field.computed.is_empty()),
            naming: own().filter_map(|field| Some((field.name, field.naming?))).collect(),
            searched: own().filter(|f| f.searched).map(|f| (f.name, format!("{}_folded", f.name))).collect(),
            money: own().filter(|f| f.is_money()).map(|f| (f.name, money(f.name))).collect(),
            columns,
        }
    }

    /// The columns of a row that follow from its fields; `computed` are the values of those that the object computes.
    pub(crate) fn derived(&self, fields: &Fields, computed: Fields) -> Fields {
        let mut columns = computed;
        let value = |columns: &Fields, name: &str| columns.get(name).or_else(|| fields.get(name)).cloned();
        for (name, folded) in &self.searched {
            let key = value(&columns, name).as_ref().and_then(Value::as_str).map(field_types::search_key);
            columns.insert(folded.clone(), key.into());
        }
        for (name, [minor, currency]) in &self.money {
            let amount = value(&columns, name).unwrap_or_default();
            columns.insert(minor.clone(), amount["amount_minor"].clone());
            columns.insert(currency.clone(), amount["currency"].clone());
        }
        columns
    }
}
