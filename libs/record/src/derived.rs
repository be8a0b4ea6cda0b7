//! Compares what is derived of records with its source, puts right what differs, and tells of it: slots, folded columns, tags,
//! addresses, domains, external ids and unique values.
//!
//! Nothing of it should ever differ: each is written in the transaction of its source. The job is for what nobody has thought
//! of, and its count is an alarm. It goes through the records of one tenant after the other, slice by slice, by the definitions
//! of the fence. A slice is read without a lock and what is computed of it is made outside of a transaction; only what differs is locked,
//! and put right if it is still what was read.

mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use auth::VerifiedTenant;
use db::{Db, DbError, TenantTx, WorkerDb};
use error::Error;
use fleet::Role;
use ids::Clock;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use serde_json::Value;
use service::Rounds;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::computed::Computed;
use crate::definitions::FieldSet;
use crate::env::named;
use crate::{Fields, Object, Record, SideTable, custom, fence, store as record_store, write};
use store::Turn;

/// Records compared at once, and such with long texts.
const SLICE: i64 = 200;
const SLICE_OF_TEXTS: i64 = 20;
/// Between two slices: the job is to be felt by nobody.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a slice may take until another instance begins it again.
const TURN: Duration = Duration::from_secs(60);

/// The comparison.
#[derive(Clone, Debug)]
pub struct DerivedCheck {
    /// The service whose task it is.
    pub role: Role,
    /// Of these objects.
    pub objects: &'static [&'static Object],
    /// The app role's pool.
    pub db: Db,
    /// The worker role's pool.
    pub worker: WorkerDb,
    /// Says what is due.
    pub clock: Clock,
    /// How long after its end a tenant's comparison begins again.
    pub every: Duration,
}

/// A record as it was read, and what is computed of it.
pub(crate) struct Due {
    pub(crate) record: Record,
    pub(crate) computed: Fields,
}

/// What differed.
pub(crate) type Kinds = BTreeSet<&'static str>;

/// What is held of a record beside its row: pairs, and whether they count as those of a live record.
type Held<T> = BTreeMap<Uuid, BTreeSet<(T, bool)>>;

/// Lets the comparison of the tenant's records begin anew, as soon as it has its turn.
pub async fn compare_anew(tx: &mut TenantTx, object: &Object, now: OffsetDateTime) -> Result<(), DbError> {
    store::advance(tx, object.name, None, now).await
}

impl Rounds for DerivedCheck {
    type Error = Error;

    fn task(&self) -> &'static str {
        self.role.names().derived
    }

    async fn step(&self) -> Result<bool, Error> {
        let more = self.round().await?;
        tokio::time::sleep(PAUSE).await;
        Ok(more)
    }
}

impl DerivedCheck {
    /// Compares one slice; `false` when nothing is due.
    pub async fn round(&self) -> Result<bool, Error> {
        let now = self.clock.now_micros();
        let mut tx = self.worker.begin().await?;
        let turn = store::claim(&mut tx, now, now + TURN).await?;
        tx.commit().await?;
        let Some(turn) = turn else { return Ok(false) };
        let Some(object) = named(self.objects, &turn.object) else { return Ok(true) };
        let tenant = VerifiedTenant::from_claim(turn.tenant_id.into());
        if let Err(error) = self.take(tenant, object, &turn, now).await {
            // It is due again when its turn has passed, and meanwhile holds up no other.
            tracing::warn!(tenant_id = %tenant.id(), object = object.name, error = %error::chain(&error),
                "what is derived of records cannot be compared; tried again later");
        }
        Ok(true)
    }

    async fn take(
        &self,
        tenant: VerifiedTenant,
        object: &'static Object,
        turn: &Turn,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let (last, differing) = self.compare(tenant, object, turn).await?;
        for due in differing {
            self.repair(tenant, object, due).await;
        }
        let due_at = if last.is_some() { now } else { now + self.every };
        let mut tx = TenantTx::begin_job(&self.db, tenant).await?;
        store::advance(&mut tx, object.name, last, due_at).await?;
        Ok(tx.commit().await?)
    }

    /// The last record of the turn's slice, if there may be more, and those of the slice that something differs of, as they should be.
    /// Nothing is computed in a transaction.
    async fn compare(
        &self,
        tenant: VerifiedTenant,
        object: &'static Object,
        turn: &Turn,
    ) -> Result<(Option<Uuid>, Vec<Due>), Error> {
        let limit = if object.has_texts() { SLICE_OF_TEXTS } else { SLICE };
        let mut tx = TenantTx::begin_job(&self.db, tenant).await?;
        let after = turn.after_id.unwrap_or_default();
        let records = record_store::slice(&mut tx, object, after, limit).await?;
        tx.commit().await?;
        let mut all = Vec::with_capacity(records.len());
        for record in records {
            let computed = Computed::of(object, &record).await?.into_values();
            all.push(Due { record, computed });
        }
        let mut tx = TenantTx::begin_job(&self.db, tenant).await?;
        let differing = match fence::read(&mut tx, object).await? {
            Some(set) => differing(&mut tx, object, &set, &all).await?,
            None => BTreeSet::new(),
        };
        tx.commit().await?;
        let last = all.last().filter(|_| all.len() as i64 == limit).map(|due| due.record.id);
        all.retain(|due| differing.contains(&due.record.id));
        Ok((last, all))
    }

    /// Puts a record right. What cannot be is told; it holds up no other.
    async fn repair(&self, tenant: VerifiedTenant, object: &Object, due: Due) {
        let id = due.record.id;
        let (outcome, kinds) = match self.put_right(tenant, object, due).await {
            Ok(kinds) => ("repaired", kinds),
            Err(error) => {
                tracing::error!(tenant_id = %tenant.id(), object = object.name, record_id = %id, error = %error::chain(&error),
                    "what is derived of a record differs from it and cannot be put right");
                ("failed", Kinds::from(["record"]))
            }
        };
        if outcome == "repaired" && !kinds.is_empty() {
            tracing::error!(tenant_id = %tenant.id(), object = object.name, record_id = %id, ?kinds,
                "what is derived of a record differed from it and was put right");
        }
        for kind in kinds {
            let labels = [
                KeyValue::new("object", object.name),
                KeyValue::new("kind", kind),
                KeyValue::new("outcome", outcome),
            ];
            counter().add(1, &labels);
        }
    }

    async fn put_right(&self, tenant: VerifiedTenant, object: &Object, due: Due) -> Result<Kinds, Error> {
        let mut tx = TenantTx::begin_job(&self.db, tenant).await?;
        let result = match fence::read(&mut tx, object).await {
            Ok(Some(set)) => put_right(&mut tx, object, &set, due).await,
            Ok(None) => Ok(Kinds::new()),
            Err(error) => Err(error),
        };
        tx.settle(result).await
    }
}

fn counter() -> Counter<u64> {
    opentelemetry::global::meter("globcrm.records")
        .u64_counter("globcrm.records.derived")
        .with_unit("{difference}")
        .with_description("Derived data that differed from its source, by what became of it")
        .build()
}

/// Those of the records that something differs of by the definitions of the fence. One that was changed since it was read may be among
/// them.
async fn differing(
    tx: &mut TenantTx,
    object: &Object,
    set: &FieldSet,
    all: &[Due],
) -> Result<BTreeSet<Uuid>, Error> {
    let mut rows = Vec::with_capacity(all.len());
    for Due { record, computed } in all {
        rows.push(Value::Object(expected(tx, object, set, record, computed.clone()).await?));
    }
    let mut differing: BTreeSet<Uuid> =
        record_store::differing(tx, object, rows).await?.into_iter().collect();
    let records = || all.iter().map(|due| &due.record);
    let ids: Vec<Uuid> = records().map(|record| record.id).collect();
    for side in object.sides {
        let held = by_record(record_store::side_held(tx, side.held, &ids).await?);
        let differs = records().filter(|record| side_differs(side, record, held.get(&record.id)));
        differing.extend(differs.map(|record| record.id));
    }
    let held = by_record(record_store::uniques_held(tx, &ids).await?);
    let differs = records().filter(|record| uniques_differ(set, record, held.get(&record.id)));
    differing.extend(differs.map(|record| record.id));
    Ok(differing)
}

/// Locks a record and writes what differs. One that was changed since it was read is left to the next comparison.
async fn put_right(tx: &mut TenantTx, object: &Object, set: &FieldSet, due: Due) -> Result<Kinds, Error> {
    let Due { record: read, computed } = due;
    let id = read.id;
    let mut kinds = Kinds::new();
    let found = record_store::lock(tx, object, id).await?;
    let Some(record) = found.filter(|record| record.version == read.version) else { return Ok(kinds) };
    let is_live = !record.is_deleted();
    let row = Value::Object(expected(tx, object, set, &record, computed).await?);
    if !record_store::differing(tx, object, vec![row.clone()]).await?.is_empty() {
        record_store::write_derived(tx, object, vec![row]).await?;
        kinds.insert("columns");
    }
    let one = [&record];
    for side in object.sides {
        let held = by_record(record_store::side_held(tx, side.held, &[id]).await?);
        if side_differs(side, &record, held.get(&id)) {
            record_store::clear_side(tx, side.clear, &[id]).await?;
            write::put_side(tx, object, side, &one, is_live).await?;
            kinds.insert(side.field);
        }
    }
    let held = by_record(record_store::uniques_held(tx, &[id]).await?);
    if uniques_differ(set, &record, held.get(&id)) {
        record_store::clear_uniques_of(tx, id, &set.uniques()).await?;
        write::put_uniques(tx, object, set, &one, is_live).await?;
        kinds.insert("unique");
    }
    Ok(kinds)
}

/// Writes the columns of records that differ, all at once. One that was changed since it was read has been written by these definitions, if
/// the fence has them, and stays as it is. Says how many were written.
pub(crate) async fn put_columns_right(
    tx: &mut TenantTx,
    object: &Object,
    set: &FieldSet,
    all: Vec<Due>,
) -> Result<u64, Error> {
    let mut rows = BTreeMap::new();
    for Due { record, computed } in all {
        rows.insert(record.id, Value::Object(expected(tx, object, set, &record, computed).await?));
    }
    let found = record_store::differing(tx, object, rows.values().cloned().collect()).await?;
    if found.is_empty() {
        return Ok(0);
    }
    // In the order of ids, as everybody locks several.
    record_store::lock_all(tx, object, &found).await?;
    let wrong = found.iter().filter_map(|id| rows.remove(id)).collect();
    Ok(record_store::write_derived(tx, object, wrong).await?)
}

/// The row as it should be. Slots of fields that this version does not understand are taken as they are.
async fn expected(
    tx: &mut TenantTx,
    object: &Object,
    set: &FieldSet,
    record: &Record,
    computed: Fields,
) -> Result<Fields, DbError> {
    let mut row = write::row(object, set, record, computed);
    if !record.custom.keys().all(|key| set.knows(key)) {
        write::keep_slots(tx, object, set, record.id, &mut row).await?;
    }
    Ok(row)
}

fn by_record<T: Ord>(rows: Vec<(Uuid, T, bool)>) -> Held<T> {
    let mut held = Held::new();
    for (record, value, live) in rows {
        held.entry(record).or_default().insert((value, live));
    }
    held
}

type Pair = (String, String);

/// The field and the digest of a unique value.
type Unique = (Uuid, Vec<u8>);

fn side_differs(side: &SideTable, record: &Record, held: Option<&BTreeSet<(Pair, bool)>>) -> bool {
    let counts = side.set_live.is_none() || !record.is_deleted();
    let pairs = record.fields.get(side.field).map(side.pairs).unwrap_or_default();
    let wanted: BTreeSet<(Pair, bool)> = pairs.into_iter().map(|pair| (pair, counts)).collect();
    held.map_or(!wanted.is_empty(), |held| *held != wanted)
}

fn uniques_differ(set: &FieldSet, record: &Record, held: Option<&BTreeSet<(Unique, bool)>>) -> bool {
    let known = set.uniques();
    let wanted: BTreeSet<_> = custom::uniques(set, &record.custom)
        .into_iter()
        .map(|(field, digest)| ((field, digest), !record.is_deleted()))
        .collect();
    // Those of fields that this version does not understand are left alone.
    let held: BTreeSet<_> =
        held.into_iter().flatten().filter(|((field, _), _)| known.contains(field)).cloned().collect();
    held != wanted
}
