//! What makes an object an object.

use auth::{Access, FieldMask};
use error::{Reason, Violation};
use query::Column;
use serde_json::Value;

use super::Fields;
use super::tree::Tree;

/// A kind of record.
#[derive(Debug)]
pub(crate) struct Object {
    /// The name in the singular, as permissions, events and side tables have it.
    pub(crate) name: &'static str,
    /// What filters and orders see.
    pub(crate) table: &'static query::Table,
    /// The columns of a row, see [`super::Record::from_row`].
    pub(crate) columns: &'static [Column],
    /// Fields that callers write.
    pub(crate) writable: &'static [&'static str],
    /// Fields that give others away: the field and those it is made of.
    pub(crate) computed: &'static [(&'static str, &'static [&'static str])],
    /// 404.
    pub(crate) not_found: Reason,
    /// 409 of a restore.
    pub(crate) not_deleted: Reason,
    /// The statements.
    pub(crate) sql: Sql,
    /// The columns of a row that follow from its fields.
    pub(crate) derive: fn(&Fields) -> Fields,
    /// The rules between fields.
    pub(crate) check: Check,
    /// What stands in side tables.
    pub(crate) sides: &'static [Side],
    /// Standard fields that hold the id of a record: the field and the record's object.
    pub(crate) links: &'static [(&'static str, &'static str)],
    /// How records stand above each other. `None` where they do not.
    pub(crate) tree: Option<Tree>,
}

/// Says what is wrong with a record that has the fields of which the argument is true.
pub(crate) type Check = fn(&dyn Fn(&str) -> bool) -> Vec<Violation>;

/// The statements of an object, static text. `$1` is always the tenant.
#[derive(Debug)]
pub(crate) struct Sql {
    /// `$2` id: the whole row, locked.
    pub(crate) lock: &'static str,
    /// `$2` id, `$3` number: whole rows after the id, in the order of ids, not locked.
    pub(crate) slice: &'static str,
    /// `$2` rows as a JSON array: those that have the same version and other derived columns.
    pub(crate) differing: &'static str,
    /// `$2` row, `$3` id: writes the derived columns and no other.
    pub(crate) derived: &'static str,
    /// `$2` rows as a JSON array, by column names; gives the version of the fence, see [`super::fence`].
    pub(crate) insert: &'static str,
    /// `$2` row, `$3` id, `$4` version before, `$5` `$6` `$7` the scope; gives the version of the fence, and whether there was
    /// such a row.
    pub(crate) update: &'static str,
    /// `$2` id: every column of the row as JSON.
    pub(crate) whole: &'static str,
    /// `$2` id, `$3` version before, `$4` moment, `$5` principal, `$6` `$7` `$8` the scope.
    pub(crate) delete: &'static str,
    /// As `delete`.
    pub(crate) restore: &'static str,
    /// `$2` ids, `$3` `$4` `$5` the scope: those of the ids that are live and within the scope.
    pub(crate) reached: &'static str,
    /// `$2` ids, `$3` moment: removes what was deleted before it; gives the ids removed.
    pub(crate) purge: &'static str,
    /// `$2` ids: those of them that name no row at all.
    pub(crate) gone: &'static str,
}

/// A side table fed by one field.
#[derive(Debug)]
pub(crate) struct Side {
    /// The field.
    pub(crate) field: &'static str,
    /// The pairs of text to store for a value.
    pub(crate) pairs: fn(&Value) -> Vec<(String, String)>,
    /// `$2` record ids, `$3` `$4` the pairs, `$5` object.
    pub(crate) put: &'static str,
    /// `$2` record ids.
    pub(crate) clear: &'static str,
    /// `$2` record ids: record, pair, and whether it counts as that of a live record.
    pub(crate) held: &'static str,
    /// `$2` record id, `$3` whether the record is live. `None` where that does not matter.
    pub(crate) set_live: Option<&'static str>,
    /// `$2` record ids that may have them, `$3` `$4` the pairs, `$5` object: the live records that have one of the pairs.
    /// `None` where pairs may repeat.
    pub(crate) holders: Option<&'static str>,
}

impl Object {
    /// The caller's field rules, completed: who may not see a field may not see what is computed of it.
    pub(crate) fn mask(&self, given: &FieldMask) -> FieldMask {
        let computed = self.computed.iter().filter(|(_, reads)| reads.iter().any(|read| given.hides(read)));
        let hidden: Vec<String> = computed.map(|(name, _)| (*name).to_owned()).collect();
        with_hidden(given, hidden)
    }
}

/// The same rules with more hidden fields.
pub(crate) fn with_hidden(given: &FieldMask, hidden: impl IntoIterator<Item = String>) -> FieldMask {
    let rules = [Access::None, Access::Read, Access::Edit];
    let given =
        rules.into_iter().flat_map(|access| given.names(access).into_iter().map(move |name| (name, access)));
    FieldMask::new(given.chain(hidden.into_iter().map(|name| (name, Access::None))).collect::<Vec<_>>())
}
