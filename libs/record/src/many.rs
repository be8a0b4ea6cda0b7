//! One change of many records: each is judged as a call for it alone would be, and what is refused of one leaves the others as they are.
//! The transaction that changes them is the caller's.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::time::Duration;

use auth::{Access, Context, FieldMask};
use db::TenantTx;
use error::{Code, Error, Reason, Violation};
use input::{Mask, Violations, pointer};
use query::RowScope;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::computed::Computed;
use super::definitions::FieldSet;
use super::draft::{Draft, Sent};
use super::prepare::{Path, Plan, Prepared, Proposal, Stored, prepare};
use super::reference::{Reference, records};
use super::update::named;
use super::{Env, Fields, Object, Reader, Record, Wire, custom, draft, purge, store, tree, unique, write};

/// What is done with each of the records.
#[derive(Debug)]
pub enum Change<'a> {
    /// It gets what was sent.
    Update(&'a Sent, &'a Known),
    /// It gets some tags, and loses others.
    Tag {
        /// Which it gets.
        add: &'a [String],
        /// Which it loses.
        remove: &'a [String],
    },
    /// It goes to the trash.
    Delete,
    /// It comes out of the trash.
    Restore,
    /// It becomes what it was before the version that it has. These fields were written by the change that is taken back; others followed.
    Revert(&'a [String]),
}

/// What other services know of what was sent, and what is computed of it: the same for all records, so it is found once, before a
/// transaction begins.
#[derive(Debug, Default)]
pub struct Known {
    asked: Vec<Reference>,
    unknown: Vec<Violation>,
    /// What of the records of this service does not exist for the caller. That is looked at again for each record.
    missing: Vec<Violation>,
    ahead: Option<Computed>,
}

impl Known {
    /// What was sent names nothing that the caller may see: it is refused of all records.
    pub fn refusals(&self) -> impl Iterator<Item = &Violation> {
        self.unknown.iter().chain(&self.missing)
    }
}

/// Records are judged for so long, one at least; the rest is left to another transaction: others wait for what this one holds.
const BUDGET: Duration = Duration::from_millis(400);

/// What happened to a record.
#[derive(Debug)]
pub enum Outcome {
    /// It was changed: as it was, and as it is.
    Changed(Box<(Record, Record)>),
    /// It is as it should be.
    Same,
    /// It was changed since the version that was expected.
    ChangedSince,
    /// It was refused, for these reasons.
    Refused(Vec<Violation>),
}

/// Tags of a record, as the contract of every object has it.
pub const MAX_TAGS: usize = 50;

/// Reads a body as a change of many records.
pub fn sent<W: Wire>(
    env: &Env,
    (mask, sent): (Option<prost_types::FieldMask>, Option<&W::Message>),
    set: &FieldSet,
    field_mask: &FieldMask,
) -> Result<Sent, Error> {
    let nothing = W::Message::default();
    let sent = sent.unwrap_or(&nothing);
    let surroundings = (env.region, env.clock.now());
    let read = |names: &[&str], mask: &Mask| Reader::read_by::<W>(surroundings, sent, names, Some(mask));
    Ok(Draft::new(mask, sent, W::custom(sent), &read)?.open(set, field_mask))
}

/// Finds out what must be known of a body before records are locked.
pub async fn look_up(
    env: &Env,
    cx: &Context,
    object: &'static Object,
    (set, mask): (&FieldSet, &FieldMask),
    sent: &Sent,
) -> Result<Known, Error> {
    let asked = named(env, object, (set, mask), sent);
    let unknown = env.references.check(cx, &asked).await?;
    let ahead = Computed::ahead(object, &sent.fields).await?;
    if asked.is_empty() {
        return Ok(Known { ahead, ..Known::default() });
    }
    let mut tx = TenantTx::begin_snapshot(&env.db, cx.tenant).await?;
    let missing = records(env, &mut tx, cx, &asked).await?;
    tx.commit().await?;
    Ok(Known { asked, unknown, missing, ahead })
}

/// The action on each record that a change is.
pub fn action(change: &Change<'_>) -> &'static str {
    match change {
        Change::Update(..) | Change::Tag { .. } | Change::Revert(_) => "update",
        Change::Delete | Change::Restore => "delete",
    }
}

/// Changes the records of these ids, in the order of ids, and says what happened to each: to the first of them, as many as there is time for. With `expected`, those that have another
/// version than the one in it are left alone. The fences of permissions and of definitions were checked in this transaction.
pub async fn apply(
    tx: &mut TenantTx,
    plan: &Plan<'_>,
    change: &Change<'_>,
    ids: &[Uuid],
    expected: Option<&BTreeMap<Uuid, i64>>,
) -> Result<Vec<(Uuid, Outcome)>, Error> {
    let Plan { cx, object, .. } = *plan;
    let restoring = Plan { path: Path::Restore, ..*plan };
    let scope = RowScope::from(&cx.snapshot.predicate(object.name, action(change)));
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let versions = |id: &Uuid| expected.and_then(|expected| expected.get(id)).copied();
    let values_before: HashMap<Uuid, Fields> = match change {
        Change::Revert(_) => {
            let made: Vec<(Uuid, i64)> = ids.iter().filter_map(|id| Some((*id, versions(id)?))).collect();
            store::befores(tx, object, &made).await?.into_iter().collect()
        }
        _ => HashMap::new(),
    };
    let places_below = |fields: &&Fields| {
        object.tree.is_some_and(|tree| fields.get(tree).is_some_and(|above| !above.is_null()))
    };
    let placed = match change {
        Change::Update(sent, _) => Some(&sent.fields).filter(places_below),
        _ => values_before.values().find(places_below),
    };
    if let Some(fields) = placed {
        tree::lock(tx, object, fields).await?;
    }
    let changes_tree = placed.is_some();
    let mut locked: HashMap<Uuid, Record> =
        store::lock_all(tx, object, &ids).await?.into_iter().map(|record| (record.id, record)).collect();
    let (mut outcomes, mut prepared) = (Vec::with_capacity(ids.len()), Vec::new());
    let (mut doomed, mut revived, mut reviving) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut changed: HashMap<Uuid, (Record, Record)> = HashMap::new();
    let begun = Instant::now();
    for id in ids {
        if !outcomes.is_empty() && begun.elapsed() > BUDGET {
            break;
        }
        // Before anything else: what somebody has done with it since is why it is left alone.
        let is_seen = |record: &&Record| cx.reaches(object.name, "read", &record.facts());
        let found = locked.get(&id).filter(is_seen);
        if expected.is_some() && found.is_some_and(|record| versions(&id) != Some(record.version)) {
            outcomes.push((id, Outcome::ChangedSince));
            continue;
        }
        let record = match judge(plan, change, locked.remove(&id)) {
            Ok(record) => record,
            Err(refusal) => {
                outcomes.push((id, Outcome::Refused(refused(refusal)?)));
                continue;
            }
        };
        let outcome = match change {
            Change::Delete => {
                doomed.push(record);
                Outcome::Same
            }
            Change::Restore => {
                let values = unique::values(object, plan.set, &record);
                if !values.is_disjoint(&reviving) {
                    // The one that comes back first has the value, and the other is refused: so it must be back.
                    changed.extend(by_id(
                        write::restore(tx, &restoring, mem::take(&mut revived), &scope).await?,
                    ));
                    reviving.clear();
                }
                reviving.extend(values);
                revive(tx, &restoring, record, &mut revived).await?
            }
            Change::Revert(written) => match values_before.get(&id) {
                Some(values) => {
                    let proposal = reverted(plan, record, values, written);
                    propose(tx, plan, proposal, &mut prepared).await?
                }
                None => Outcome::ChangedSince,
            },
            Change::Tag { add, remove } => {
                let sent = tagged(&record, add, remove, plan.mask);
                propose(tx, plan, Ok(Proposal::change(plan, record, sent)), &mut prepared).await?
            }
            Change::Update(sent, known) => {
                let proposal = Proposal::change(plan, record, (*sent).clone()).computed(known.ahead.clone());
                let proposal = proposal.knowing(&known.asked, known.unknown.clone());
                propose(tx, plan, Ok(proposal), &mut prepared).await?
            }
        };
        outcomes.push((id, outcome));
        if changes_tree {
            // Where one stands decides where the next may.
            changed.extend(by_id(write::update_all(tx, plan, mem::take(&mut prepared), &scope).await?));
        }
    }
    changed.extend(by_id(write::update_all(tx, plan, prepared, &scope).await?));
    changed.extend(by_id(write::set_deleted(tx, plan.author, object, doomed, true, &scope).await?));
    changed.extend(by_id(write::restore(tx, &restoring, revived, &scope).await?));
    for (id, outcome) in &mut outcomes {
        if let Some(written) = changed.remove(id) {
            *outcome = Outcome::Changed(Box::new(written));
        }
    }
    Ok(outcomes)
}

/// Records as they were and as they are, by their ids.
fn by_id(written: Vec<(Record, Record)>) -> impl Iterator<Item = (Uuid, (Record, Record))> {
    written.into_iter().map(|written| (written.1.id, written))
}

/// The record, if the caller may do this with it. One that the caller may not read answers as one that does not exist.
fn judge(plan: &Plan<'_>, change: &Change<'_>, found: Option<Record>) -> Result<Record, Error> {
    let Plan { cx, object, .. } = *plan;
    let wants_deleted = matches!(change, Change::Restore);
    let visible = found.filter(|record| cx.reaches(object.name, "read", &record.facts()));
    let record = visible.ok_or_else(|| Error::not_found(object.not_found))?;
    if record.is_deleted() != wants_deleted {
        return Err(if wants_deleted {
            Error::new(Code::FailedPrecondition, object.not_deleted, "the record is not in the trash")
        } else {
            Error::not_found(object.not_found)
        });
    }
    let action = action(change);
    if !cx.reaches(object.name, action, &record.facts()) {
        return Err(Error::permission_denied(object.name, action));
    }
    Ok(record)
}

/// Prepares a write. What will be written stands in `prepared`, and its outcome is set once it is.
async fn propose(
    tx: &mut TenantTx,
    plan: &Plan<'_>,
    proposal: Result<Proposal, Error>,
    prepared: &mut Vec<Prepared>,
) -> Result<Outcome, Error> {
    let proposal = match proposal {
        Ok(proposal) => proposal,
        Err(refusal) => return Ok(Outcome::Refused(refused(refusal)?)),
    };
    match prepare(tx, plan, proposal, &mut Stored).await {
        Ok(Ok(ready)) => {
            if ready.is_change(plan.object) {
                prepared.push(ready);
            }
            Ok(Outcome::Same)
        }
        Ok(Err(violations)) => Ok(Outcome::Refused(violations.iter().cloned().collect())),
        Err(error) => Ok(Outcome::Refused(refused(error)?)),
    }
}

/// Prepares a record to come back. That it will stands in `revived`, and its outcome is set once it is.
async fn revive(
    tx: &mut TenantTx,
    plan: &Plan<'_>,
    record: Record,
    revived: &mut Vec<Prepared>,
) -> Result<Outcome, Error> {
    if purge::store::is_purging(tx, plan.object, record.id).await? {
        return Ok(Outcome::Refused(refused(Error::not_found(plan.object.not_found))?));
    }
    match prepare(tx, plan, Proposal::beside(record, Vec::new()), &mut Stored).await {
        Ok(Ok(ready)) => {
            revived.push(ready);
            Ok(Outcome::Same)
        }
        Ok(Err(violations)) => Ok(Outcome::Refused(violations.iter().cloned().collect())),
        Err(error) => Ok(Outcome::Refused(refused(error)?)),
    }
}

/// The record as it was. What the caller may not write by now is not taken back for them.
fn reverted(plan: &Plan<'_>, record: Record, values: &Fields, written: &[String]) -> Result<Proposal, Error> {
    let of = |access: Access| {
        let differing = written.iter().filter(|name| values.contains_key(*name));
        differing.filter(move |name| plan.mask.access(name) == access).map(String::as_str)
    };
    if of(Access::None).next().is_some() {
        // A hidden field is not named.
        return Err(Error::permission_denied(plan.object.name, "update"));
    }
    let denied: Vec<&str> = of(Access::Read).collect();
    if !denied.is_empty() {
        return Err(draft::read_only(&denied));
    }
    Ok(Proposal::reverted(record, values))
}

/// The tags that a record has, with those that it gets and without those that it loses, in the order in which it has or gets them.
fn tagged(record: &Record, add: &[String], remove: &[String], mask: &FieldMask) -> Sent {
    let had = record.fields.get("tags").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut tags: Vec<String> = had.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect();
    tags.retain(|tag| !remove.contains(tag));
    let new: Vec<String> = add.iter().filter(|tag| !tags.contains(tag)).cloned().collect();
    tags.extend(new);
    let mut sent = input::Input::default();
    sent.tags(&tags);
    if tags.len() > MAX_TAGS {
        let text = format!("a record has at most {MAX_TAGS} tags");
        sent.violations.note("/tags", Reason::TOO_MANY_ITEMS, text);
    }
    let read_only = if mask.access("tags") == Access::Edit { Vec::new() } else { vec!["tags".to_owned()] };
    Sent { fields: sent.fields, violations: sent.violations, read_only, ..Sent::default() }
}

/// What is wrong with a record, or what the caller may not do with it; any other error fails the whole batch.
fn refused(error: Error) -> Result<Vec<Violation>, Error> {
    let is_about_record = matches!(
        error.code(),
        Code::InvalidArgument
            | Code::Unprocessable
            | Code::PermissionDenied
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
    );
    if !is_about_record {
        return Err(error);
    }
    if !error.violations().is_empty() {
        return Ok(error.violations().to_vec());
    }
    let at = error.metadata().get("fields").and_then(|fields| fields.split(',').next()).map(pointer);
    let detail = error.message().to_owned();
    let mut violation = Violation::new(at.unwrap_or_default(), Reason::PERMISSION_DENIED, detail);
    violation.reason = error.reason().to_owned().into();
    Ok(vec![violation])
}

/// Refuses what would be refused of all records: unknown custom fields and values that they cannot have, and values that only one record
/// can have. What a custom value is merged with is not known, so the members of objects are left to each record.
pub fn check_for_many(
    env: &Env,
    object: &Object,
    (set, mask): (&FieldSet, &FieldMask),
    sent: &Sent,
    violations: &mut Violations,
) {
    let whole = sent.custom.iter().filter(|(_, value)| !value.is_object());
    let whole: Fields = whole.map(|(key, value)| (key.clone(), value.clone())).collect();
    let required = |violation: &Violation| violation.reason == Reason::REQUIRED.as_str();
    let found = custom::merge(set, mask, &mut Fields::new(), &whole, env.region);
    violations.extend(found.iter().filter(|violation| !required(violation)).cloned());
    let unique = set.uniques();
    let of_sides = object.sides.iter().filter(|side| side.holders.is_some()).map(|side| side.field);
    let standard = of_sides.filter(|field| sets(&sent.fields, field) || merges(&sent.merges, field));
    let custom = sent.custom.iter().filter(|(key, value)| {
        let is_unique = set.usable(key).is_some_and(|field| unique.contains(&field.id));
        !value.is_null() && !mask.hides_custom(key) && is_unique
    });
    let named = standard.map(str::to_owned).chain(custom.map(|(key, _)| format!("custom.{key}")));
    for name in named {
        violations.note(
            pointer(&name),
            Reason::DUPLICATE_VALUE,
            "the field is unique: many records cannot have the same value",
        );
    }
}

/// Whether a member gets a value; `null` removes one.
fn merges(patches: &Fields, name: &str) -> bool {
    let members = patches.get(name).and_then(Value::as_object);
    members.is_some_and(|members| members.values().any(|value| !value.is_null()))
}

fn sets(fields: &Fields, name: &str) -> bool {
    fields.get(name).is_some_and(|value| !super::fields::is_unset(value))
}
