//! The statements by which the records of one object are read, written, moved and removed, built once from its declaration.
//!
//! They are built and not typed because five of twelve differ between objects in the table's name alone, and the others list every
//! column. All text comes from the declaration, which is static text of the owning service.

use std::collections::BTreeMap;

use field_types::SlotColumn;

use crate::predicate;
use crate::select::Column;

/// What the statements must know of an object.
#[derive(Debug)]
pub struct Stored<'a> {
    /// The object's name.
    pub object: &'a str,
    /// Its table, which has the columns `id`, `version`, `owner_id`, `team_id`, `custom`, the slots, and those that say who made, changed
    /// and deleted a row, and when.
    pub table: &'a str,
    /// The column by which people know a record, a text.
    pub title: &'a str,
    /// The columns that a record is read from.
    pub columns: &'a [Column],
    /// The columns that are written, with what stands there for no value.
    pub written: &'a [(String, Option<&'static str>)],
    /// Those of them that follow from others.
    pub derived: &'a [String],
    /// The column with the record above, where records stand above each other.
    pub above: Option<&'a str>,
    /// Columns with the id of a record.
    pub ids: &'a [&'a str],
    /// Columns with a list that names records.
    pub lists: &'a [&'a str],
}

/// The statements by which a column follows what happens to the records that it names.
#[derive(Debug)]
pub struct Following {
    /// The column.
    pub column: &'static str,
    /// `$2` ids, `$3` after, `$4` limit: ids greater than `after` of the rows that refer to any of the ids, ascending. Reads at most
    /// `$4` rows for each of them. Empty for a list column: its `Naming::holders` is used instead.
    pub holders: &'static str,
    /// `$2` rows as a JSON array: writes the column, the version, and who changed the row when.
    pub rewrite: &'static str,
}

/// The statements of an object. `$1` is always the tenant; rows are JSON objects by column, so that a batch is one parameter.
#[derive(Debug)]
pub struct Statements {
    /// `$2` id: the whole row, locked.
    pub lock: &'static str,
    /// `$2` id, `$3` number: whole rows after the id, in the order of ids, not locked.
    pub slice: &'static str,
    /// `$2` rows as a JSON array: those that have the same version and other derived columns.
    pub differing: &'static str,
    /// `$2` rows as a JSON array: writes the derived columns and no other, of those that have the same version.
    pub derived: &'static str,
    /// `$2` rows as a JSON array; gives the version of the definitions fence.
    pub insert: &'static str,
    /// `$2` row, `$3` id, `$4` version before, `$5` `$6` `$7` the scope; gives the version of the definitions fence, and whether there
    /// was such a row.
    pub update: &'static str,
    /// `$2` rows as a JSON array, `$3` `$4` `$5` the scope; gives the version of the definitions fence, and how many of the rows had the
    /// version before.
    pub update_all: &'static str,
    /// `$2` id: every column of the row as JSON.
    pub whole: &'static str,
    /// `$2` ids, `$3` the versions before, `$4` moment, `$5` principal, `$6` `$7` `$8` the scope.
    pub delete: &'static str,
    /// As `delete`.
    pub restore: &'static str,
    /// `$2` ids, `$3` `$4` `$5` the scope: those of the ids that are live and within the scope.
    pub reached: &'static str,
    /// `$2` ids, `$3` `$4` `$5` the scope: those of the ids that are there, deleted or not, with their titles as far as they are within
    /// the scope, and whether they are deleted.
    pub named: &'static str,
    /// `$2` ids: the whole rows, locked, in the order of ids.
    pub lock_all: &'static str,
    /// `$2` ids, `$3` moment: the rows deleted before it, locked: the id, and who deleted it.
    pub doomed: &'static str,
    /// `$2` ids of locked rows: removes them; gives id, version, owner, team, and who deleted it.
    pub purge: &'static str,
    /// `$2` rows as a JSON array: writes the version, and who changed the row when.
    pub touch: &'static str,
    /// `$2` rows as a JSON array: writes every column that is not of custom fields, the version, and who changed the row when.
    pub standard: &'static str,
    /// For each column that names records.
    pub following: Vec<Following>,
    /// `$2` ids: those of them that name no row at all.
    pub gone: &'static str,
    /// `$2` record, `$3` another, `$4` steps: whether the other is the record or stands above it, and the ids passed. Empty where
    /// records do not stand above each other.
    pub above: &'static str,
}

impl Statements {
    /// The statements of an object. They live as long as the process, as the object does.
    pub fn of(stored: &Stored<'_>) -> Self {
        let Stored { object, table, title, columns, written, derived, above, ids, lists } = stored;
        let slots: Vec<&str> = SlotColumn::all().map(SlotColumn::name).collect();
        let standard: Vec<(&str, Option<&str>)> =
            written.iter().map(|(name, empty)| (name.as_str(), *empty)).collect();
        let of_custom = slots.iter().map(|slot| (*slot, None));
        let written: Vec<(&str, Option<&str>)> =
            standard.iter().copied().chain([("custom", Some("'{}'::jsonb"))]).chain(of_custom).collect();
        let derived: Vec<&str> = derived.iter().map(String::as_str).chain(slots).collect();
        let read = list(columns.iter().map(|column| format!("t.{}", column.name)));
        let select = format!(
            "SELECT t.id AS _id, {read}, t.custom\nFROM {table} AS t WHERE t.tenant_id = $1 AND t.id"
        );
        let fence = format!(
            "WITH fence AS MATERIALIZED (\n  SELECT version FROM definitions_fence WHERE tenant_id = $1 AND object = '{object}' FOR SHARE),\ndone AS ("
        );
        let names_of =
            |columns: &[(&str, Option<&str>)]| list(columns.iter().map(|(name, _)| (*name).to_owned()));
        let values_of = |columns: &[(&str, Option<&str>)]| {
            list(columns.iter().map(|(name, empty)| match empty {
                Some(empty) => format!("COALESCE(r.{name}, {empty})"),
                None => format!("r.{name}"),
            }))
        };
        let (names, values) = (names_of(&written), values_of(&written));
        let empty: BTreeMap<&str, &str> =
            written.iter().filter_map(|(name, empty)| Some((*name, (*empty)?))).collect();
        let rewrite = |column: Option<&str>| {
            let value = column.map(|name| match empty.get(name) {
                Some(empty) => format!(", {name} = COALESCE(r.{name}, {empty})"),
                None => format!(", {name} = r.{name}"),
            });
            kept(format!(
                "UPDATE {table} AS t\nSET version = r.version, updated_at = r.updated_at, updated_by = r.updated_by{}\n\
                 FROM jsonb_populate_recordset(NULL::{table}, $2) AS r\nWHERE t.tenant_id = $1 AND t.id = r.id",
                value.unwrap_or_default()
            ))
        };
        let following = |column: &str, holders: String| Following {
            column: kept(column.to_owned()),
            holders: kept(holders),
            rewrite: rewrite(Some(column)),
        };
        let by_id = ids.iter().map(|column| {
            // A range of the index for each id: one for all of them could not be read in the order of rows.
            let holders = format!(
                "SELECT t.id FROM unnest($2::uuid[]) AS named (id) CROSS JOIN LATERAL (\n  \
                 SELECT n.id FROM {table} AS n\n  \
                 WHERE n.tenant_id = $1 AND n.{column} = named.id AND n.id > $3 ORDER BY n.id LIMIT $4) AS t\n\
                 ORDER BY t.id LIMIT $4"
            );
            following(column, holders)
        });
        let following = by_id.chain(lists.iter().map(|column| following(column, String::new()))).collect();
        let of = |alias: &str| list(derived.iter().map(|name| format!("{alias}.{name}")));
        let scope = predicate::condition;
        let one = format!("jsonb_populate_record(NULL::{table}, $2) AS r");
        let moved = |value: &str, is: &str| {
            format!(
                "UPDATE {table} AS t\nSET version = t.version + 1, updated_at = $4, updated_by = $5, {value}\n\
                 FROM unnest($2::uuid[], $3::bigint[]) AS moved (id, version)\n\
                 WHERE t.tenant_id = $1 AND t.id = moved.id AND t.version = moved.version AND t.deleted_at {is}\n  AND {}",
                scope(6)
            )
        };
        Self {
            lock: kept(format!("{select} = $2\nFOR UPDATE OF t")),
            slice: kept(format!("{select} > $2 ORDER BY t.id LIMIT $3")),
            differing: kept(format!(
                "SELECT t.id FROM jsonb_populate_recordset(NULL::{table}, $2) AS r\n\
                 JOIN {table} AS t ON t.tenant_id = $1 AND t.id = r.id AND t.version = r.version\n\
                 WHERE ROW({})\nIS DISTINCT FROM ROW({})",
                of("t"),
                of("r")
            )),
            derived: kept(format!(
                "UPDATE {table} AS t SET ({})\n= ROW({})\nFROM jsonb_populate_recordset(NULL::{table}, $2) AS r\n\
                 WHERE t.tenant_id = $1 AND t.id = r.id AND t.version = r.version",
                list(derived.iter().map(|name| (*name).to_owned())),
                of("r")
            )),
            insert: kept(format!(
                "{fence}\nINSERT INTO {table} (tenant_id, id, version, created_at, created_by, updated_at, updated_by, source, {names})\n\
                 SELECT $1, r.id, r.version, r.created_at, r.created_by, r.updated_at, r.updated_by, r.source, {values}\n\
                 FROM jsonb_populate_recordset(NULL::{table}, $2) AS r)\nSELECT version FROM fence"
            )),
            update: kept(format!(
                "{fence}\nUPDATE {table} AS t SET (version, updated_at, updated_by, {names})\n\
                 = ROW(r.version, r.updated_at, r.updated_by, {values})\nFROM {one}\n\
                 WHERE t.tenant_id = $1 AND t.id = $3 AND t.version = $4 AND t.deleted_at IS NULL\n  AND {}\n\
                 RETURNING t.id)\nSELECT (SELECT version FROM fence), EXISTS (SELECT FROM done)",
                scope(5)
            )),
            update_all: kept(format!(
                "{fence}\nUPDATE {table} AS t SET (version, updated_at, updated_by, {names})\n\
                 = ROW(r.version, r.updated_at, r.updated_by, {values})\nFROM jsonb_populate_recordset(NULL::{table}, $2) AS r\n\
                 WHERE t.tenant_id = $1 AND t.id = r.id AND t.version = r.version - 1 AND t.deleted_at IS NULL\n  AND {}\n\
                 RETURNING t.id)\nSELECT (SELECT version FROM fence), (SELECT count(*) FROM done)",
                scope(3)
            )),
            whole: kept(format!("SELECT to_jsonb(t) FROM {table} AS t WHERE t.tenant_id = $1 AND t.id = $2")),
            delete: kept(moved("deleted_at = $4, deleted_by = $5", "IS NULL")),
            restore: kept(moved("deleted_at = NULL, deleted_by = NULL", "IS NOT NULL")),
            reached: kept(format!(
                "SELECT t.id FROM {table} AS t\nWHERE t.tenant_id = $1 AND t.id = ANY($2) AND t.deleted_at IS NULL\n  AND {}",
                scope(3)
            )),
            named: kept(format!(
                "SELECT t.id, CASE WHEN {} THEN t.{title} END, t.deleted_at IS NOT NULL\n\
                 FROM {table} AS t WHERE t.tenant_id = $1 AND t.id = ANY($2)",
                scope(3)
            )),
            lock_all: kept(format!("{select} = ANY($2) ORDER BY t.id\nFOR UPDATE OF t")),
            doomed: kept(format!(
                "SELECT t.id, t.deleted_by FROM {table} AS t\n\
                 WHERE t.tenant_id = $1 AND t.id = ANY($2) AND t.deleted_at < $3 ORDER BY t.id\nFOR UPDATE OF t"
            )),
            purge: kept(format!(
                "DELETE FROM {table} AS t\nWHERE t.tenant_id = $1 AND t.id = ANY($2)\n\
                 RETURNING t.id, t.version, t.owner_id, t.team_id, t.deleted_by"
            )),
            touch: rewrite(None),
            standard: kept(format!(
                "UPDATE {table} AS t SET (version, updated_at, updated_by, {})\n\
                 = ROW(r.version, r.updated_at, r.updated_by, {})\nFROM jsonb_populate_recordset(NULL::{table}, $2) AS r\n\
                 WHERE t.tenant_id = $1 AND t.id = r.id",
                names_of(&standard),
                values_of(&standard)
            )),
            following,
            gone: kept(format!(
                "SELECT asked.id FROM unnest($2::uuid[]) AS asked (id)\n\
                 WHERE NOT EXISTS (SELECT FROM {table} AS t WHERE t.tenant_id = $1 AND t.id = asked.id)"
            )),
            above: above.map_or("", |above| {
                kept(format!(
                    "WITH RECURSIVE line (id, {above}, passed) AS (\n  \
                     SELECT t.id, t.{above}, 1 FROM {table} AS t WHERE t.tenant_id = $1 AND t.id = $2\n  \
                     UNION ALL\n  SELECT t.id, t.{above}, line.passed + 1\n  \
                     FROM line JOIN {table} AS t ON t.tenant_id = $1 AND t.id = line.{above}\n  \
                     WHERE line.id <> $3 AND line.passed < $4)\n\
                     SELECT coalesce(bool_or(line.id = $3), false), coalesce(array_agg(line.id), '{{}}') FROM line"
                ))
            }),
        }
    }

    /// Every statement with its name, for a file that shows them.
    pub fn all(&self) -> Vec<(String, &'static str)> {
        let all = [
            ("lock", self.lock),
            ("slice", self.slice),
            ("insert", self.insert),
            ("update", self.update),
            ("update_all", self.update_all),
            ("delete", self.delete),
            ("restore", self.restore),
            ("whole", self.whole),
            ("differing", self.differing),
            ("derived", self.derived),
            ("reached", self.reached),
            ("named", self.named),
            ("lock_all", self.lock_all),
            ("doomed", self.doomed),
            ("purge", self.purge),
            ("touch", self.touch),
            ("standard", self.standard),
            ("gone", self.gone),
            ("above", self.above),
        ];
        let all = all.into_iter().map(|(name, text)| (name.to_owned(), text));
        let following = self.following.iter().flat_map(|following| {
            let Following { column, holders, rewrite } = following;
            [(format!("holders of {column}"), *holders), (format!("rewrite {column}"), *rewrite)]
        });
        all.chain(following).filter(|(_, text)| !text.is_empty()).collect()
    }
}

/// A list over lines of some length, so that a person can read it.
fn list(items: impl Iterator<Item = String>) -> String {
    const WIDTH: usize = 110;
    let (mut text, mut width) = (String::new(), 0);
    for item in items {
        if !text.is_empty() {
            text.push(',');
            if width + item.len() > WIDTH {
                text.push_str("\n  ");
                width = 0;
            } else {
                text.push(' ');
            }
        }
        width += item.len() + 2;
        text.push_str(&item);
    }
    text
}

fn kept(text: String) -> &'static str {
    text.leak()
}
