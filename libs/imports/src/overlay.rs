//! Records as an import sees them after the rows before: what is stored, what this batch is about to store, and in a dry run
//! what it would have stored.
//!
//! A row sees the effects of every row before it, whether an earlier batch has written them or this batch still has to. So the
//! outcome of a file depends neither on where its batches end nor on whether it is a dry run.

mod store;

use record::prepare::{Plan as Writing, Prepared, Taken};
use record::{Object, Record, custom};
use std::collections::{BTreeSet, HashMap, HashSet};

use db::{DbError, TenantTx};
use error::{Error, Reason};
use input::{Violations, escaped};
use operations::Claim;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::importable::{Importable, Key};
use super::plan::Plan;
use super::store::Holder;
use proto::records::v1::DuplicatePolicy;

/// The hash of a value by which records are found, or of a unique one: what a dry run remembers is bounded whatever the file holds.
type Mark = [u8; 32];

/// The field and the digest of a unique value.
type Unique = (Uuid, Vec<u8>);

/// What the rows before have done.
pub(crate) struct Overlay {
    operation: Uuid,
    is_dry: bool,
    importable: &'static Importable,
    /// Whether rows find records by their keys.
    merges: bool,
    /// Whether later rows may change what this batch makes.
    keeps_records: bool,
    /// Whose a value is; nobody's, where it was given up.
    holders: HashMap<Mark, Option<Uuid>>,
    /// Holders of which the caller may not know: their values are taken, and no row finds them.
    unseen: HashSet<Uuid>,
    /// Records that are not in their table as they stand here.
    records: HashMap<Uuid, Prepared>,
    /// Those of them that are new, in the order of their rows.
    made: Vec<Uuid>,
    /// What is attached to such records, and yet to be stored, or never will be.
    attached: HashMap<Uuid, Vec<Value>>,
    changed_holders: BTreeSet<Mark>,
    changed_records: BTreeSet<Uuid>,
}

/// A record as a dry run keeps it for its later batches, with what it would have attached to it or changed of that.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    record: Record,
    attached: Vec<Value>,
}

/// What a batch still has to store.
pub(crate) struct Made {
    pub(crate) records: Vec<Prepared>,
    pub(crate) attached: Vec<(Uuid, Value)>,
}

impl Overlay {
    /// The overlay of a batch whose rows have these values of keys. `known` are the stored records that have one of them.
    pub(crate) async fn open(
        tx: &mut TenantTx,
        claim: &Claim,
        plan: &Plan,
        values: &[(&'static Key, (String, String))],
        known: Vec<(&'static Key, Holder)>,
    ) -> Result<Self, Error> {
        let unseen =
            known.iter().filter(|(_, (_, _, is_seen))| !is_seen).map(|(_, (_, id, _))| *id).collect();
        let mut holders: HashMap<Mark, Option<Uuid>> =
            known.into_iter().map(|(key, (pair, id, _))| (key_mark(key, &pair), Some(id))).collect();
        if plan.dry_run {
            let marks: Vec<Mark> = values.iter().map(|(key, pair)| key_mark(key, pair)).collect();
            holders.extend(store::holders(tx, claim.id, &marks).await?);
        }
        Ok(Self {
            operation: claim.id,
            is_dry: plan.dry_run,
            importable: plan.importable,
            merges: plan.merges(),
            keeps_records: plan.policy == DuplicatePolicy::Update,
            holders,
            unseen,
            records: HashMap::new(),
            made: Vec::new(),
            attached: HashMap::new(),
            changed_holders: BTreeSet::new(),
            changed_records: BTreeSet::new(),
        })
    }

    /// The record that has a value of a key, if the caller may know of it.
    pub(crate) fn holder(&self, key: &Key, pair: &(String, String)) -> Option<Uuid> {
        let holder = self.holders.get(&key_mark(key, pair)).copied().flatten();
        holder.filter(|id| !self.unseen.contains(id))
    }

    /// A record as it stands, locked if it is stored.
    pub(crate) async fn record(&mut self, tx: &mut TenantTx, id: Uuid) -> Result<Option<Record>, Error> {
        if let Some(prepared) = self.records.get(&id) {
            return Ok(Some(prepared.after().clone()));
        }
        match self.kept(tx, id).await? {
            Some(Kept { record, attached }) => {
                self.attached.entry(id).or_insert(attached);
                Ok(Some(record))
            }
            None => Ok(record::store::lock(tx, self.importable.object, id).await?),
        }
    }

    /// A record as earlier batches of a dry run have left it; `None` if they did not touch it.
    async fn kept(&self, tx: &mut TenantTx, id: Uuid) -> Result<Option<Kept>, Error> {
        let kept = if self.is_dry { store::record(tx, self.operation, id).await? } else { None };
        kept.map(serde_json::from_value).transpose().map_err(Error::internal)
    }

    /// The record above another one, by what is stored or by what the dry run has made of it.
    async fn above(
        &self,
        tx: &mut TenantTx,
        object: &'static Object,
        id: Uuid,
    ) -> Result<Option<Uuid>, Error> {
        let kept = match self.records.get(&id) {
            Some(prepared) => Some(prepared.after().clone()),
            None => self.kept(tx, id).await?.map(|kept| kept.record),
        };
        if let (Some(record), Some(tree)) = (kept, object.tree) {
            let above = record.fields.get(tree).and_then(Value::as_str);
            return Ok(above.and_then(|above| Uuid::try_parse(above).ok()));
        }
        // There are two at most, and one of them is the record itself.
        let (_, passed) = record::store::walk_up(tx, object, id, Uuid::nil(), 2).await?;
        Ok(passed.into_iter().find(|passed| *passed != id))
    }

    /// Whether a record is yet to be stored, or is of a dry run and never will be: then a change of it is one of the overlay.
    pub(crate) fn holds(&self, id: Uuid) -> bool {
        self.is_dry || self.records.contains_key(&id)
    }

    /// Whether a record is one that this batch makes: nothing of it is stored yet.
    pub(crate) fn makes(&self, id: Uuid) -> bool {
        self.made.contains(&id)
    }

    /// What is attached to a record, of what the overlay holds.
    pub(crate) fn attached(&self, id: Uuid) -> &[Value] {
        self.attached.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Notes something that is attached to a record, or another state of it.
    pub(crate) fn put_attached(&mut self, id: Uuid, value: Value) {
        let all = self.attached.entry(id).or_default();
        if let Some(attached) = self.importable.attached {
            all.retain(|known| !attached.is_same(known, &value));
        }
        all.push(value);
    }

    /// Notes a new record, which later rows with its values repeat.
    pub(crate) fn make(&mut self, plan: &Plan, prepared: Prepared) {
        let record = prepared.after();
        for (key, pair) in self.values(record) {
            self.hold(key_mark(key, &pair), Some(record.id));
        }
        for unique in custom::uniques(&plan.set, &record.custom) {
            self.hold(unique_mark(&unique), Some(record.id));
        }
        self.made.push(record.id);
        self.changed_records.insert(record.id);
        self.records.insert(record.id, prepared);
    }

    /// Notes a change of a record; `is_stored` if it is written into its table.
    pub(crate) fn change(&mut self, plan: &Plan, prepared: &Prepared, is_stored: bool) {
        let after = prepared.after();
        let marks = |record: &Record| -> BTreeSet<Mark> {
            let keys = self.values(record).into_iter().map(|(key, pair)| key_mark(key, &pair));
            keys.chain(custom::uniques(&plan.set, &record.custom).iter().map(unique_mark)).collect()
        };
        let (was, is) = (prepared.before().map(marks).unwrap_or_default(), marks(after));
        for mark in was.difference(&is) {
            self.hold(*mark, None);
        }
        for mark in is.difference(&was) {
            self.hold(*mark, Some(after.id));
        }
        if !is_stored {
            self.changed_records.insert(after.id);
            self.records.insert(after.id, prepared.clone());
        }
    }

    /// The values of keys that matter to later rows: those that only one record may have, and where rows merge, all.
    fn values(&self, record: &Record) -> Vec<(&'static Key, (String, String))> {
        let keys = self.importable.keys.iter().filter(|key| key.is_unique || self.merges);
        keys.flat_map(|key| {
            self.importable.pairs(key, &record.fields).into_iter().map(move |pair| (key, pair))
        })
        .collect()
    }

    /// Whether the dry run has changed one of these records.
    async fn touches(&self, tx: &mut TenantTx, ids: &[Uuid]) -> Result<bool, Error> {
        let is_here = ids.iter().any(|id| self.records.contains_key(id));
        Ok(is_here || self.keeps_records && store::has_records(tx, self.operation, ids).await?)
    }

    fn hold(&mut self, mark: Mark, holder: Option<Uuid>) {
        self.holders.insert(mark, holder);
        self.changed_holders.insert(mark);
    }

    /// Ends the batch: gives what is to be stored, and keeps for the next batch of a dry run what it must know.
    pub(crate) async fn close(mut self, tx: &mut TenantTx) -> Result<Made, Error> {
        if !self.is_dry {
            let records = self.made.iter().filter_map(|id| self.records.remove(id)).collect();
            let attached = self.attached.into_iter();
            let attached = attached.flat_map(|(id, values)| values.into_iter().map(move |value| (id, value)));
            return Ok(Made { records, attached: attached.collect() });
        }
        let holders: Vec<(Mark, Option<Uuid>)> = self
            .changed_holders
            .iter()
            .map(|mark| (*mark, self.holders.get(mark).copied().flatten()))
            .collect();
        if !holders.is_empty() {
            store::put_holders(tx, self.operation, &holders).await?;
        }
        if self.keeps_records && !self.changed_records.is_empty() {
            let changed = self.changed_records.iter().filter_map(|id| self.records.get(id));
            let kept = changed.map(|prepared| {
                let record = prepared.after().clone();
                let (id, attached) = (record.id, self.attached(record.id).to_vec());
                (id, Kept { record, attached })
            });
            let records = kept.map(|(id, kept)| serde_json::to_value(kept).map(|json| (id, json)));
            let records: Vec<_> = records.collect::<Result<_, _>>().map_err(Error::internal)?;
            store::put_records(tx, self.operation, &records).await?;
        }
        Ok(Made { records: Vec::new(), attached: Vec::new() })
    }

    /// Those of the unique custom values that another record than `id` has.
    async fn taken(&mut self, tx: &mut TenantTx, id: Uuid, uniques: &[Unique]) -> Result<Vec<Uuid>, Error> {
        if self.is_dry {
            let unknown = uniques.iter().map(unique_mark).filter(|mark| !self.holders.contains_key(mark));
            let unknown: Vec<Mark> = unknown.collect();
            if !unknown.is_empty() {
                self.holders.extend(store::holders(tx, self.operation, &unknown).await?);
            }
        }
        let (mut taken, mut stored) = (Vec::new(), Vec::new());
        for unique in uniques {
            match self.holders.get(&unique_mark(unique)) {
                Some(Some(holder)) if *holder != id => taken.push(unique.0),
                Some(_) => {}
                None => stored.push(unique.clone()),
            }
        }
        if !stored.is_empty() {
            let holders = record::store::unique_holders(tx, self.importable.object, id, &stored).await?;
            taken.extend(holders.into_iter().map(|(_, field)| field));
        }
        Ok(taken)
    }
}

impl Taken for Overlay {
    /// A value that the record did not have before must be nobody else's, by the rows before as well.
    async fn check(
        &mut self,
        tx: &mut TenantTx,
        plan: &Writing<'_>,
        before: Option<&Record>,
        after: &Record,
        violations: &mut Violations,
    ) -> Result<(), Error> {
        let text = format!("another {} already has the same value, which must be unique", plan.object.name);
        let mut refuse = |pointer: String| {
            violations.note(pointer, Reason::DUPLICATE_VALUE, text.clone());
        };
        for key in self.importable.keys.iter().filter(|key| key.is_unique) {
            let had = before.map(|before| self.importable.pairs(key, &before.fields)).unwrap_or_default();
            for pair in self.importable.pairs(key, &after.fields).iter().filter(|pair| !had.contains(pair)) {
                let holder = self.holders.get(&key_mark(key, pair)).copied().flatten();
                if holder.is_some_and(|holder| holder != after.id) {
                    refuse(key.pointer(pair));
                }
            }
        }
        let had = before.map(|before| custom::uniques(plan.set, &before.custom)).unwrap_or_default();
        let mut uniques = custom::uniques(plan.set, &after.custom);
        uniques.retain(|unique| !had.contains(unique));
        for field in self.taken(tx, after.id, &uniques).await? {
            let known = plan.set.all().iter().find(|definition| definition.id == field);
            // Which hidden field has a default that is taken is not told.
            let seen = known.filter(|known| !plan.mask.hides(&format!("custom.{}", known.key)));
            refuse(seen.map(|known| format!("/custom/{}", escaped(&known.key))).unwrap_or_default());
        }
        Ok(())
    }

    /// A batch that is no dry run has stored what earlier rows have moved: no row can name a record that is yet to be made.
    async fn walk_up(
        &mut self,
        tx: &mut TenantTx,
        object: &'static Object,
        (from, other): (Uuid, Uuid),
        limit: i32,
    ) -> Result<(bool, Vec<Uuid>), Error> {
        let (is_above, passed) = record::store::walk_up(tx, object, from, other, limit).await?;
        if !self.is_dry || !self.touches(tx, &passed).await? {
            return Ok((is_above, passed));
        }
        let (mut passed, mut next) = (Vec::new(), Some(from));
        while let Some(id) = next.filter(|_| passed.len() < limit.unsigned_abs() as usize) {
            passed.push(id);
            if id == other {
                return Ok((true, passed));
            }
            next = self.above(tx, object, id).await?;
        }
        Ok((false, passed))
    }
}

/// Removes up to `limit` things of each kind that a dry run has noted; says whether there are more.
pub(crate) async fn forget(tx: &mut TenantTx, operation: Uuid, limit: i64) -> Result<bool, DbError> {
    let more = store::delete_holders(tx, operation, limit).await?;
    Ok(store::delete_records(tx, operation, limit).await? || more)
}

fn key_mark(key: &Key, (first, second): &(String, String)) -> Mark {
    let parts = [key.field, "/", first, "\0", second];
    parts.into_iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into()
}

fn unique_mark((field, digest): &Unique) -> Mark {
    Sha256::new().chain_update("unique/").chain_update(field).chain_update(digest).finalize().into()
}
