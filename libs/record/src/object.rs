//! What makes an object an object.

use auth::FieldMask;
use error::{Reason, Violation};
use query::Column;
use serde_json::Value;

use super::Fields;

/// A kind of record.
#[derive(Debug)]
pub struct Object {
    /// The name in the singular, as permissions, events and side tables have it.
    pub name: &'static str,
    /// What filters and orders see.
    pub table: &'static query::Table,
    /// The columns of a row, see [`super::Record::from_row`].
    pub columns: &'static [Column],
    /// Fields that callers write.
    pub writable: &'static [&'static str],
    /// Fields that give others away: the field and those it is made of.
    pub computed: &'static [(&'static str, &'static [&'static str])],
    /// 404.
    pub not_found: Reason,
    /// 409 of a restore.
    pub not_deleted: Reason,
    /// The statements.
    pub sql: Sql,
    /// The columns of a row that follow from its fields.
    pub derive: fn(&Fields) -> Fields,
    /// The rules between fields.
    pub check: Check,
    /// What stands in side tables.
    pub sides: &'static [SideTable],
    /// Standard fields that hold the id of a record: the field and the record's object.
    pub links: &'static [(&'static str, &'static str)],
    /// How records stand above each other. `None` where they do not.
    pub tree: Option<Tree>,
}

/// Says what is wrong with a record that has the fields of which the argument is true.
pub type Check = fn(&dyn Fn(&str) -> bool) -> Vec<Violation>;

/// The statements of an object, static text. `$1` is always the tenant.
#[derive(Debug)]
pub struct Sql {
    /// `$2` id: the whole row, locked.
    pub lock: &'static str,
    /// `$2` id, `$3` number: whole rows after the id, in the order of ids, not locked.
    pub slice: &'static str,
    /// `$2` rows as a JSON array: those that have the same version and other derived columns.
    pub differing: &'static str,
    /// `$2` row, `$3` id: writes the derived columns and no other.
    pub derived: &'static str,
    /// `$2` rows as a JSON array, by column names; gives the version of the fence, see [`super::fence`].
    pub insert: &'static str,
    /// `$2` row, `$3` id, `$4` version before, `$5` `$6` `$7` the scope; gives the version of the fence, and whether there was
    /// such a row.
    pub update: &'static str,
    /// `$2` id: every column of the row as JSON.
    pub whole: &'static str,
    /// `$2` id, `$3` version before, `$4` moment, `$5` principal, `$6` `$7` `$8` the scope.
    pub delete: &'static str,
    /// As `delete`.
    pub restore: &'static str,
    /// `$2` ids, `$3` `$4` `$5` the scope: those of the ids that are live and within the scope.
    pub reached: &'static str,
    /// `$2` ids, `$3` moment: removes what was deleted before it; gives the ids removed.
    pub purge: &'static str,
    /// `$2` ids: those of them that name no row at all.
    pub gone: &'static str,
}

/// A side table fed by one field.
#[derive(Debug)]
pub struct SideTable {
    /// The field.
    pub field: &'static str,
    /// The pairs of text to store for a value.
    pub pairs: fn(&Value) -> Vec<(String, String)>,
    /// `$2` record ids, `$3` `$4` the pairs, `$5` object.
    pub put: &'static str,
    /// `$2` record ids.
    pub clear: &'static str,
    /// `$2` record ids: record, pair, and whether it counts as that of a live record.
    pub held: &'static str,
    /// `$2` record id, `$3` whether the record is live. `None` where that does not matter.
    pub set_live: Option<&'static str>,
    /// `$2` record ids that may have them, `$3` `$4` the pairs, `$5` object: the live records that have one of the pairs.
    /// `None` where pairs may repeat.
    pub holders: Option<&'static str>,
}

/// How the records of an object stand above each other.
#[derive(Debug)]
pub struct Tree {
    /// The field that holds the record above.
    pub field: &'static str,
    /// `$2` record, `$3` another, `$4` steps: whether the other is the record or stands above it, and the ids passed.
    pub above: &'static str,
}

impl Object {
    /// The caller's field rules, completed: who may not see a field may not see what is computed of it.
    pub(crate) fn mask(&self, given: &FieldMask) -> FieldMask {
        let computed = self.computed.iter().filter(|(_, reads)| reads.iter().any(|read| given.hides(read)));
        given.hiding(computed.map(|(name, _)| (*name).to_owned()))
    }
}
