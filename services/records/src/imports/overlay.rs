//! Contacts as an import sees them after the rows before: what is stored, what this batch is about to store, and in a dry run
//! what it would have stored.
//!
//! A row sees the effects of every row before it, whether an earlier batch has written them or this batch still has to. So the
//! outcome of a file depends neither on where its batches end nor on whether it is a dry run.

pub(crate) mod store;

use record::prepare::{Plan as Writing, Prepared, Taken};
use record::{Record, custom};
use std::collections::{BTreeSet, HashMap};

use db::{DbError, TenantTx};
use error::{Error, Reason};
use input::Violations;
use operations::Claim;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::plan::Plan;
use crate::contacts::CONTACT;
use proto::records::v1::DuplicatePolicy;

/// The hash of an address or of a unique value: what a dry run remembers is bounded whatever the file holds.
type Mark = [u8; 32];

/// The field and the digest of a unique value.
type Unique = (Uuid, Vec<u8>);

/// What the rows before have done.
pub(crate) struct Overlay {
    operation: Uuid,
    is_dry: bool,
    /// Whether later rows may change what this batch makes.
    keeps_contacts: bool,
    /// Whose an address or unique value is; nobody's, where it was given up.
    holders: HashMap<Mark, Option<Uuid>>,
    /// Contacts that are not in their table as they stand here.
    contacts: HashMap<Uuid, Prepared>,
    /// Those of them that are new, in the order of their rows.
    made: Vec<Uuid>,
    changed_holders: BTreeSet<Mark>,
    changed_contacts: BTreeSet<Uuid>,
}

impl Overlay {
    /// The overlay of a batch with these addresses. `known` are the stored contacts that have one of them.
    pub(crate) async fn open(
        tx: &mut TenantTx,
        claim: &Claim,
        plan: &Plan,
        addresses: &[&str],
        known: Vec<(String, Uuid)>,
    ) -> Result<Self, Error> {
        let mut holders: HashMap<Mark, Option<Uuid>> =
            known.into_iter().map(|(address, id)| (address_mark(&address), Some(id))).collect();
        if plan.dry_run {
            let marks: Vec<Mark> = addresses.iter().map(|address| address_mark(address)).collect();
            holders.extend(store::holders(tx, claim.id, &marks).await?);
        }
        Ok(Self {
            operation: claim.id,
            is_dry: plan.dry_run,
            keeps_contacts: plan.policy == DuplicatePolicy::Update,
            holders,
            contacts: HashMap::new(),
            made: Vec::new(),
            changed_holders: BTreeSet::new(),
            changed_contacts: BTreeSet::new(),
        })
    }

    /// Whose an address is.
    pub(crate) fn holder(&self, address: &str) -> Option<Uuid> {
        self.holders.get(&address_mark(address)).copied().flatten()
    }

    /// A contact as it stands, locked if it is stored.
    pub(crate) async fn contact(&self, tx: &mut TenantTx, id: Uuid) -> Result<Option<Record>, Error> {
        if let Some(prepared) = self.contacts.get(&id) {
            return Ok(Some(prepared.after().clone()));
        }
        let kept = if self.is_dry { store::contact(tx, self.operation, id).await? } else { None };
        match kept {
            Some(kept) => serde_json::from_value(kept).map(Some).map_err(Error::internal),
            None => Ok(record::store::lock(tx, &CONTACT, id).await?),
        }
    }

    /// Whether a contact is yet to be stored, or is of a dry run and never will be: then a change of it is one of the overlay.
    pub(crate) fn holds(&self, id: Uuid) -> bool {
        self.is_dry || self.contacts.contains_key(&id)
    }

    /// Whether another contact than `id` has one of the values.
    async fn is_taken(&mut self, tx: &mut TenantTx, id: Uuid, uniques: &[Unique]) -> Result<bool, Error> {
        if self.is_dry {
            let unknown = uniques.iter().map(unique_mark).filter(|mark| !self.holders.contains_key(mark));
            let unknown: Vec<Mark> = unknown.collect();
            if !unknown.is_empty() {
                self.holders.extend(store::holders(tx, self.operation, &unknown).await?);
            }
        }
        let mut stored = Vec::new();
        for unique in uniques {
            match self.holders.get(&unique_mark(unique)) {
                Some(Some(holder)) if *holder != id => return Ok(true),
                Some(_) => {}
                None => stored.push(unique.clone()),
            }
        }
        if stored.is_empty() {
            return Ok(false);
        }
        Ok(!record::store::unique_holders(tx, &CONTACT, id, &stored).await?.is_empty())
    }

    /// Notes a new contact, by which later rows with its address are repetitions.
    pub(crate) fn make(&mut self, plan: &Plan, address: Option<&str>, prepared: Prepared) {
        let record = prepared.after();
        if let Some(address) = address {
            self.hold(address_mark(address), Some(record.id));
        }
        for unique in custom::uniques(&plan.set, &record.custom) {
            self.hold(unique_mark(&unique), Some(record.id));
        }
        self.made.push(record.id);
        self.changed_contacts.insert(record.id);
        self.contacts.insert(record.id, prepared);
    }

    /// Notes a change of a contact; `is_stored` if it is written into its table.
    pub(crate) fn change(&mut self, plan: &Plan, prepared: &Prepared, is_stored: bool) {
        let after = prepared.after();
        let of = |record: &Record| custom::uniques(&plan.set, &record.custom);
        let (was, is) = (prepared.before().map(of).unwrap_or_default(), of(after));
        for unique in was.iter().filter(|unique| !is.contains(unique)) {
            self.hold(unique_mark(unique), None);
        }
        for unique in is.iter().filter(|unique| !was.contains(unique)) {
            self.hold(unique_mark(unique), Some(after.id));
        }
        if !is_stored {
            self.changed_contacts.insert(after.id);
            self.contacts.insert(after.id, prepared.clone());
        }
    }

    fn hold(&mut self, mark: Mark, holder: Option<Uuid>) {
        self.holders.insert(mark, holder);
        self.changed_holders.insert(mark);
    }

    /// Ends the batch: gives the contacts that are to be stored, and keeps for the next batch of a dry run what it must know.
    pub(crate) async fn close(mut self, tx: &mut TenantTx) -> Result<Vec<Prepared>, Error> {
        if !self.is_dry {
            return Ok(self.made.iter().filter_map(|id| self.contacts.remove(id)).collect());
        }
        let holders: Vec<(Mark, Option<Uuid>)> = self
            .changed_holders
            .iter()
            .map(|mark| (*mark, self.holders.get(mark).copied().flatten()))
            .collect();
        if !holders.is_empty() {
            store::put_holders(tx, self.operation, &holders).await?;
        }
        if self.keeps_contacts && !self.changed_contacts.is_empty() {
            let changed = self.changed_contacts.iter().filter_map(|id| self.contacts.get(id));
            let contacts = changed.map(Prepared::after);
            let contacts = contacts.map(|record| serde_json::to_value(record).map(|json| (record.id, json)));
            let contacts: Vec<_> = contacts.collect::<Result<_, _>>().map_err(Error::internal)?;
            store::put_contacts(tx, self.operation, &contacts).await?;
        }
        Ok(Vec::new())
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
        let had = before.map(|before| custom::uniques(plan.set, &before.custom)).unwrap_or_default();
        let mut uniques = custom::uniques(plan.set, &after.custom);
        uniques.retain(|unique| !had.contains(unique));
        if self.is_taken(tx, after.id, &uniques).await? {
            let text = "another contact already has the same value in a field that must be unique";
            violations.note("", Reason::DUPLICATE_VALUE, text);
        }
        Ok(())
    }
}

/// Removes up to `limit` things of each kind that a dry run has noted; says whether there are more.
pub(crate) async fn forget(tx: &mut TenantTx, operation: Uuid, limit: i64) -> Result<bool, DbError> {
    let more = store::delete_holders(tx, operation, limit).await?;
    Ok(store::delete_contacts(tx, operation, limit).await? || more)
}

fn address_mark(address: &str) -> Mark {
    Sha256::digest(format!("address/{address}")).into()
}

fn unique_mark((field, digest): &Unique) -> Mark {
    Sha256::new().chain_update("unique/").chain_update(field).chain_update(digest).finalize().into()
}
