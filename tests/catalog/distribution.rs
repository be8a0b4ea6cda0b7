//! docs/scale.md says of each table on which servers its rows would be, were a schema spread over several by the tenant. This compares
//! it with the catalog: a new table, key or trigger without its line fails here, and the failure has the line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use sqlx::PgConnection;

use super::{ALL, catalog};

/// The heads of the two tables of the document.
const TABLES: &str = "| table | schemas | by | why, if not by the tenant |";
const TRIGGERS: &str = "| trigger | of | schemas | what it does |";

/// By what a table is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// By the tenant: all rows of one are on one server, next to those of the other tables.
    Tenant,
    /// Not at all: it stays where clients connect.
    Coordinator,
    /// Not at all: every server has all of it.
    Reference,
}

/// A line of the first table, for one schema.
#[derive(Debug)]
struct Line {
    by: By,
    why: String,
}

/// What the document says.
#[derive(Debug, Default)]
struct Document {
    tables: BTreeMap<String, Line>,
    triggers: BTreeSet<String>,
    /// Lines that cannot be read, or come twice.
    wrong: Vec<String>,
}

/// What the catalog says. A name is `schema.table`.
#[derive(Debug, Default)]
struct Catalog {
    /// Tables, and whether each has the column of the tenant, never null.
    tables: BTreeMap<String, bool>,
    /// Table and name of each unique index whose columns are without the tenant.
    unique: Vec<(String, String)>,
    /// Foreign keys: from, to, name, and what is wrong for a spread table.
    keys: Vec<(String, String, String, Option<String>)>,
    /// Triggers: table and name.
    triggers: Vec<(String, String)>,
}

#[tokio::test]
async fn every_table_has_its_line_in_the_document_and_fits_it() -> Result<()> {
    let found = Document::read(&text()?).differing(&Catalog::read(&mut catalog().await?).await?);
    assert!(found.is_empty(), "docs/scale.md:\n{}", found.join("\n"));
    Ok(())
}

/// The comparison must notice each thing that it is there for.
#[tokio::test]
async fn what_the_document_leaves_out_or_gets_wrong_is_noticed() -> Result<()> {
    let (text, catalog) = (text()?, Catalog::read(&mut catalog().await?).await?);
    let differing = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in docs/scale.md");
        Document::read(&text.replacen(from, to, 1)).differing(&catalog).join("\n")
    };
    let line = "| `notes` | activities | tenant |";
    for (from, to, told) in [
        (line, "| `notes` | identity | tenant |", "add the line\n| `notes` | activities | tenant | |"),
        (line, "| `notes` | identity | tenant |", "identity.notes is not there"),
        (line, "| `notes` | activities, activities | tenant |", "activities.notes has two lines"),
        (line, "| `notes` | activities | shard |", "cannot be read: | `notes`"),
        (
            line,
            "| `notes` | activities | coordinator |",
            "activities.notes is not spread, and the line does not say why",
        ),
        (line, "| `notes` | activities | coordinator |", "activities.note_link points to activities.notes"),
        (
            "| `outbox` | every | coordinator |",
            "| `outbox` | every | tenant |",
            "records.outbox is spread, and its unique index outbox_pkey is without tenant_id",
        ),
        ("`outbox_pkey`", "its key", "the line of records.outbox does not name outbox_pkey"),
        (
            "| `relay_lease` | every | coordinator |",
            "| `relay_lease` | every | tenant |",
            "records.relay_lease is spread, and has no tenant_id that is never null",
        ),
        (
            "| `note_trashed` | `deals` |",
            "| `note_trashed` | `stage` |",
            "add the line\n| `note_trashed` | `deals` | pipeline | |",
        ),
    ] {
        let found = differing(from, to);
        assert!(found.contains(told), "{told}: {found}");
    }
    Ok(())
}

#[test]
fn a_foreign_key_that_leaves_its_server_is_noticed() {
    let document = Document::read(&format!(
        "{TABLES}\n|---|---|---|---|\n| `a` | identity | tenant | |\n| `b` | identity | tenant | |\n| `c` | identity | reference | small |\n"
    ));
    let tables = ["a", "b", "c"].map(|name| (format!("identity.{name}"), true));
    let key = |from: &str, to: &str, wrong: Option<&str>| {
        let catalog = Catalog {
            tables: tables.iter().cloned().collect(),
            keys: vec![(from.to_owned(), to.to_owned(), "k".to_owned(), wrong.map(str::to_owned))],
            ..Catalog::default()
        };
        document.differing(&catalog).len()
    };
    assert_eq!(key("identity.a", "identity.b", None), 0);
    assert_eq!(key("identity.a", "identity.b", Some("is without tenant_id")), 1);
    assert_eq!(key("identity.a", "identity.c", Some("is without tenant_id")), 0, "every server has it");
    assert_eq!(key("identity.c", "identity.a", None), 1);
    assert_eq!(key("identity.a", "records.a", None), 1, "a schema may have a server of its own");
}

fn text() -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scale.md");
    std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

impl Document {
    fn read(text: &str) -> Self {
        let mut document = Self::default();
        for cells in rows(text, TABLES) {
            let by = match cells.get(2).map(String::as_str) {
                Some("tenant") => Some(By::Tenant),
                Some("coordinator") => Some(By::Coordinator),
                Some("reference") => Some(By::Reference),
                _ => None,
            };
            let ([name, schemas, _, why], Some(by)) = (cells.as_slice(), by) else {
                document.wrong.push(format!("cannot be read: | {} |", cells.join(" | ")));
                continue;
            };
            for table in named(schemas, name) {
                let line = Line { by, why: why.clone() };
                if document.tables.insert(table.clone(), line).is_some() {
                    document.wrong.push(format!("{table} has two lines"));
                }
            }
        }
        for cells in rows(text, TRIGGERS) {
            if let [name, of, schemas, _] = cells.as_slice() {
                let name = name.trim_matches('`');
                document.triggers.extend(named(schemas, of).map(|table| format!("{table} {name}")));
            } else {
                document.wrong.push(format!("cannot be read: | {} |", cells.join(" | ")));
            }
        }
        document
    }

    fn by(&self, table: &str) -> Option<By> {
        self.tables.get(table).map(|line| line.by)
    }

    /// What differs from the catalog, one text each.
    fn differing(&self, catalog: &Catalog) -> Vec<String> {
        let mut found = self.wrong.clone();
        for (table, has_tenant) in &catalog.tables {
            match self.by(table) {
                None => {
                    let (schema, name) = table.split_once('.').unwrap_or_default();
                    let by = if *has_tenant { "tenant" } else { "coordinator" };
                    found
                        .push(format!("{table} has no line: add the line\n| `{name}` | {schema} | {by} | |"));
                }
                Some(By::Tenant) if !has_tenant => {
                    found.push(format!("{table} is spread, and has no tenant_id that is never null"));
                }
                Some(By::Coordinator | By::Reference)
                    if self.tables.get(table).is_some_and(|l| l.why.is_empty()) =>
                {
                    found.push(format!("{table} is not spread, and the line does not say why"));
                }
                Some(_) => {}
            }
        }
        let gone = self.tables.keys().filter(|table| !catalog.tables.contains_key(*table));
        found.extend(gone.map(|table| format!("{table} is not there: take its line out")));
        for (table, index) in &catalog.unique {
            let Some(line) = self.tables.get(table) else { continue };
            if line.by == By::Tenant {
                found.push(format!("{table} is spread, and its unique index {index} is without tenant_id"));
            } else if catalog.tables.get(table) == Some(&true) && !line.why.contains(&format!("`{index}`")) {
                found.push(format!("the line of {table} does not name {index}, which is without tenant_id"));
            }
        }
        found.extend(catalog.keys.iter().filter_map(|key| self.leaving(key)));
        let is_spread = |(table, _): &&(String, String)| self.by(table) == Some(By::Tenant);
        let spread: BTreeSet<String> = catalog
            .triggers
            .iter()
            .filter(is_spread)
            .map(|(table, name)| format!("{table} {name}"))
            .collect();
        for trigger in spread.difference(&self.triggers) {
            let (table, name) = trigger.split_once(' ').unwrap_or_default();
            let (schema, table) = table.split_once('.').unwrap_or_default();
            found.push(format!("{trigger} has no line: add the line\n| `{name}` | `{table}` | {schema} | |"));
        }
        let gone = self.triggers.difference(&spread);
        found.extend(
            gone.map(|trigger| format!("{trigger} is no trigger of a spread table: take its line out")),
        );
        found
    }

    /// What is wrong with a foreign key, if the rows on its two sides could be on different servers.
    fn leaving(&self, (from, to, name, wrong): &(String, String, String, Option<String>)) -> Option<String> {
        let schema = |table: &str| table.split_once('.').map(|(schema, _)| schema.to_owned());
        if schema(from) != schema(to) {
            return Some(format!("{from} points to {to} by {name}: the schemas may be on different servers"));
        }
        match (self.by(from)?, self.by(to)?) {
            (By::Tenant, By::Tenant) => wrong.as_ref().map(|wrong| format!("{name} of {from} {wrong}")),
            (By::Tenant, By::Reference) => None,
            (from_by, to_by) if from_by == to_by => None,
            _ => Some(format!("{from} points to {to} by {name}, and one of them is spread")),
        }
    }
}

/// The cells of the rows below a head.
fn rows(text: &str, head: &str) -> Vec<Vec<String>> {
    let lines =
        text.lines().skip_while(|line| *line != head).skip(2).take_while(|line| line.starts_with('|'));
    lines
        .map(|line| {
            let cells = line.trim().trim_start_matches('|').strip_suffix('|').unwrap_or(line).split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

/// A table in each of its schemas, by its full name.
fn named<'a>(schemas: &'a str, table: &'a str) -> impl Iterator<Item = String> + 'a {
    let all = ALL.iter().map(|migrations| migrations.schema).filter(move |_| schemas == "every");
    let some = schemas.split(',').map(str::trim).filter(move |_| schemas != "every");
    all.chain(some).map(move |schema| format!("{schema}.{}", table.trim_matches('`')))
}

impl Catalog {
    async fn read(conn: &mut PgConnection) -> Result<Self> {
        let schemas: Vec<&str> = ALL.iter().map(|migrations| migrations.schema).collect();
        let tables = sqlx::query_as(
            "SELECT n.nspname || '.' || c.relname, EXISTS (
                 SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'
                     AND a.attnotnull AND a.atttypid = 'uuid'::regtype AND NOT a.attisdropped)
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition",
        );
        let tables: Vec<(String, bool)> = tables.bind(&schemas).fetch_all(&mut *conn).await?;
        let unique = sqlx::query_as(
            "SELECT n.nspname || '.' || c.relname, x.relname::text
             FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
             JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = ANY($1) AND NOT c.relispartition AND (i.indisunique OR i.indisexclusion)
                 AND NOT EXISTS (
                     SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'
                         AND a.attnum = ANY((i.indkey::int2[])[0:i.indnkeyatts - 1]))
             ORDER BY 1, 2",
        );
        // What Citus wants of a key between two spread tables: the tenant at the same place on both sides, and that it stays as it is.
        let keys = sqlx::query_as(
            "SELECT n.nspname || '.' || c.relname, m.nspname || '.' || f.relname, k.conname::text, CASE
                 WHEN k.confdeltype IN ('n', 'd') OR k.confupdtype IN ('n', 'd', 'c') THEN 'changes tenant_id'
                 WHEN NOT EXISTS (
                     SELECT FROM unnest(k.conkey, k.confkey) AS pair (own, other)
                     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = pair.own AND a.attname = 'tenant_id'
                     JOIN pg_attribute b ON b.attrelid = f.oid AND b.attnum = pair.other AND b.attname = 'tenant_id')
                     THEN 'is without tenant_id' END
             FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace m ON m.oid = f.relnamespace
             WHERE n.nspname = ANY($1) AND k.contype = 'f' AND k.conparentid = 0
             ORDER BY 1, 3",
        );
        let triggers = sqlx::query_as(
            "SELECT n.nspname || '.' || c.relname, t.tgname::text
             FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = ANY($1) AND NOT t.tgisinternal AND NOT c.relispartition
             ORDER BY 1, 2",
        );
        Ok(Self {
            tables: tables.into_iter().collect(),
            unique: unique.bind(&schemas).fetch_all(&mut *conn).await?,
            keys: keys.bind(&schemas).fetch_all(&mut *conn).await?,
            triggers: triggers.bind(&schemas).fetch_all(&mut *conn).await?,
        })
    }
}
