//! The one way to a write. What is to be stored is proposed, and only [`prepare`] makes a [`Prepared`] of it, which is all that
//! [`super::write`] takes: a write that was not checked does not compile.

use auth::{Context, FieldMask, RowFacts};
use db::TenantTx;
use error::{Error, Reason, Violation};
use events::NewEvent;
use field_types::phone::Region;
use input::Violations;
use uuid::Uuid;

use super::change::{Author, Diff, diff};
use super::computed::{self, Computed};
use super::definitions::FieldSet;
use super::draft::Sent;
use super::reference::{self, Reference, records};
use super::{Env, Fields, Object, Record, custom, draft, merge, store, tree, unique};

/// How records come to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// A call that makes a record.
    Create,
    /// A call that changes one.
    Update,
    /// A call that moves one along, and may change it.
    Move,
    /// A call that puts one elsewhere, whatever is allowed between here and there.
    Transfer,
    /// A call that changes what belongs to a record and is not in its row.
    Link,
    /// A row of a file, which makes a record or changes one.
    Import,
    /// A record comes out of the trash.
    Restore,
    /// One of many that are changed alike.
    Bulk,
    /// A change of many is taken back: the record becomes what it was.
    Undo,
}

/// Who writes records of which object, and by what.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// What operations work with.
    pub env: &'a Env,
    /// The caller.
    pub cx: &'a Context,
    /// The object.
    pub object: &'static Object,
    /// Its definitions.
    pub set: &'a FieldSet,
    /// The caller's field rules.
    pub mask: &'a FieldMask,
    /// Who the change log and events name.
    pub author: &'a Author,
    /// How the record comes to be written.
    pub path: Path,
}

/// By what a body is put into a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) object: &'static Object,
    pub(crate) set: &'a FieldSet,
    pub(crate) mask: &'a FieldMask,
    pub(crate) region: Option<Region>,
}

impl Plan<'_> {
    fn terms(&self) -> Terms<'_> {
        Terms { object: self.object, set: self.set, mask: self.mask, region: self.env.region }
    }
}

/// A record as it should be stored, before it is checked.
#[derive(Debug)]
pub struct Proposal {
    before: Option<Record>,
    after: Record,
    /// Standard fields that were sent.
    sent: Vec<String>,
    broken: Vec<String>,
    /// Fields that would change, and that the caller may not change.
    denied: Vec<String>,
    violations: Violations,
    /// Changes that are not in the row.
    also: Vec<Diff>,
    elsewhere: Elsewhere,
    /// What is computed of what was sent.
    ahead: Option<Computed>,
}

/// What is known of what a proposal names and other services keep.
#[derive(Debug, Default)]
struct Elsewhere {
    /// Where in the body they are that were asked for before the transaction.
    asked: Vec<String>,
    violations: Vec<Violation>,
}

impl Proposal {
    /// A new record with what was sent: custom values are merged, and completed by their defaults.
    pub fn create(plan: &Plan<'_>, mut record: Record, sent: Sent) -> Self {
        let Sent { fields, merges, mut custom, read_only, broken, mut violations, .. } = sent;
        let Terms { object, set, mask, region } = plan.terms();
        let blank = (!read_only.is_empty()).then(|| record.clone());
        let sent = fields.keys().cloned().collect();
        for (name, value) in fields {
            // Nothing to clear yet: a `null` leaves the default.
            if !value.is_null() {
                record.set(&name, value);
            }
        }
        merge::standard(object, &mut record, merges, &mut violations);
        // Of a field that the caller may not write, `null` says as much as nothing: its default stays.
        custom.retain(|key, value| !(value.is_null() && read_only.contains(&format!("custom.{key}"))));
        violations.extend(custom::merge(set, mask, &mut record.custom, &custom, region));
        let denied = denied(blank.as_ref(), &record, read_only, &violations);
        violations.extend(custom::complete(set, mask, &mut record.custom, &custom, region));
        Self {
            before: None,
            after: record,
            sent,
            broken,
            denied,
            violations,
            also: Vec::new(),
            elsewhere: Elsewhere::default(),
            ahead: None,
        }
    }

    /// A record with what was sent: `null` clears, objects are merged.
    pub fn change(plan: &Plan<'_>, before: Record, sent: Sent) -> Self {
        Self::changed(plan.terms(), before, sent)
    }

    pub(crate) fn changed(terms: Terms<'_>, before: Record, sent: Sent) -> Self {
        let Terms { object, set, mask, region } = terms;
        let Sent { fields, merges, custom, clears_custom, read_only, broken, mut violations } = sent;
        let mut after = before.clone();
        let sent = fields.keys().cloned().collect();
        for (name, value) in fields {
            after.set(&name, value);
        }
        merge::standard(object, &mut after, merges, &mut violations);
        for (name, naming) in object.naming() {
            if let (Some(old), Some(new)) = (before.fields.get(*name), after.fields.get(*name)) {
                after.set(name, (naming.known)(old, new.clone()));
            }
        }
        let mut custom = merge::custom(&before.custom, custom);
        if clears_custom {
            custom.extend(merge::cleared(set, mask, &before.custom));
        }
        violations.extend(custom::merge(set, mask, &mut after.custom, &custom, region));
        let denied = denied(Some(&before), &after, read_only, &violations);
        Self {
            before: Some(before),
            after,
            sent,
            broken,
            denied,
            violations,
            also: Vec::new(),
            elsewhere: Elsewhere::default(),
            ahead: None,
        }
    }

    /// A record whose row stays as it is, with what changes beside it.
    pub fn beside(before: Record, also: Vec<Diff>) -> Self {
        let after = before.clone();
        let (broken, violations, elsewhere) = (Vec::new(), Violations::default(), Elsewhere::default());
        Self {
            before: Some(before),
            after,
            sent: Vec::new(),
            broken,
            denied: Vec::new(),
            violations,
            also,
            elsewhere,
            ahead: None,
        }
    }

    /// A record as it was before a change: `values` are those that the change log has of it, `null` where there was none.
    pub(crate) fn reverted(before: Record, values: &Fields) -> Self {
        let mut proposal = Self::beside(before, Vec::new());
        for (name, value) in values {
            match name.strip_prefix("custom.") {
                Some(key) if value.is_null() => drop(proposal.after.custom.remove(key)),
                Some(key) => drop(proposal.after.custom.insert(key.to_owned(), value.clone())),
                None => proposal.after.set(name, value.clone()),
            }
        }
        proposal.sent = values.keys().filter(|name| !name.starts_with("custom.")).cloned().collect();
        proposal
    }

    /// The record as it would be.
    #[cfg(test)]
    pub(crate) fn after(&self) -> &Record {
        &self.after
    }

    /// The fields that would change, and that the caller may not change.
    #[cfg(test)]
    pub(crate) fn denied(&self) -> &[String] {
        &self.denied
    }

    /// Adds changes that are not in the row.
    #[must_use]
    pub fn and_also(mut self, also: Vec<Diff>) -> Self {
        self.also.extend(also);
        self
    }

    /// The fields that change.
    pub fn diff(&self, object: &Object) -> Vec<Diff> {
        match &self.before {
            Some(before) => diff(object, before, &self.after),
            None => super::change::all(object, &self.after),
        }
    }

    /// What is wrong so far.
    pub fn violations(&mut self) -> &mut Violations {
        &mut self.violations
    }

    /// Takes over what is known of references that other services were asked for before the transaction.
    #[must_use]
    pub fn knowing(mut self, asked: &[Reference], violations: Vec<Violation>) -> Self {
        self.elsewhere = Elsewhere { asked: asked.iter().map(|r| r.pointer.clone()).collect(), violations };
        self
    }

    /// Takes over what was computed of what was sent before the transaction.
    #[must_use]
    pub(crate) fn computed(mut self, ahead: Option<Computed>) -> Self {
        self.ahead = ahead;
        self
    }

    /// Asks other services for what it names of theirs, before a transaction begins.
    pub(crate) async fn ask_elsewhere(self, plan: &Plan<'_>) -> Result<Self, Error> {
        let references = reference::all(plan.object, plan.set, self.before.as_ref(), &self.after);
        let violations = plan.env.references.check(plan.cx, &references).await?;
        Ok(self.knowing(&references, violations))
    }
}

/// Those of the fields that are not as they were: what is sent back as it was read is no change of it. A value that cannot be read is not
/// the one that is there.
fn denied(
    before: Option<&Record>,
    after: &Record,
    read_only: Vec<String>,
    violations: &Violations,
) -> Vec<String> {
    let is_same = |name: &String| {
        let is_broken = violations.concern(&input::pointer(name));
        !is_broken && before.is_some_and(|before| before.value(name) == after.value(name))
    };
    read_only.into_iter().filter(|name| !is_same(name)).collect()
}

/// A write that has passed every check. Made by [`prepare`] only.
#[derive(Clone, Debug)]
pub struct Prepared {
    before: Option<Record>,
    after: Record,
    also: Vec<Diff>,
}

impl Prepared {
    /// A new record that follows from one that was just prepared and names nothing else. What no other record may have it does not have.
    pub fn following(plan: &Plan<'_>, mut record: Record) -> Self {
        let is_unique = |key: &str| plan.set.all().iter().any(|d| d.unique && d.key == key);
        record.custom.retain(|key, _| !is_unique(key));
        computed::complete(plan.object, None, None, &mut record);
        Self { before: None, after: record, also: Vec::new() }
    }

    /// The record before; `None` of a new one.
    pub fn before(&self) -> Option<&Record> {
        self.before.as_ref()
    }

    /// The record as it will be.
    pub fn after(&self) -> &Record {
        &self.after
    }

    /// Whether anything changes.
    pub fn is_change(&self, object: &Object) -> bool {
        let Some(before) = &self.before else { return true };
        !self.also.is_empty() || !diff(object, before, &self.after).is_empty()
    }

    /// What changes and is not in the row.
    pub(crate) fn also(&self) -> &[Diff] {
        &self.also
    }

    pub(crate) fn into_parts(self) -> (Option<Record>, Record, Vec<Diff>) {
        (self.before, self.after, self.also)
    }
}

/// The rules between fields look at a record through this.
#[derive(Debug)]
pub struct Rules<'a> {
    /// As the record will be.
    pub after: &'a Record,
    /// Fields that were sent and not valid: they are not missing.
    pub broken: &'a [String],
    /// What of a changed record the caller does not see: whether a hidden field has a value must not be told by whether a visible one
    /// may be cleared.
    hidden: Option<&'a FieldMask>,
}

impl Rules<'_> {
    /// Whether the field has a value, or was sent one.
    pub fn has(&self, name: &str) -> bool {
        let is_hidden = self.hidden.is_some_and(|mask| mask.hides(name));
        !is_hidden && self.after.fields.contains_key(name) || self.broken.iter().any(|broken| broken == name)
    }
}

/// A write on its way, as a [`Guard`] sees it.
#[derive(Debug)]
pub struct Write<'a> {
    /// Who writes, and by what.
    pub plan: &'a Plan<'a>,
    /// The record before; `None` of a new one.
    pub before: Option<&'a Record>,
    /// The standard fields that were sent, also those whose value is as it was.
    pub sent: &'a [String],
    /// The record as it will be. A guard may set fields that follow from others.
    pub after: &'a mut Record,
}

/// What an object demands of every write, whichever way it comes. It has no state of its own: what it must look up is in the schema of
/// its object.
#[tonic::async_trait]
pub trait Guard: std::fmt::Debug + Send + Sync {
    /// Adds what is wrong. The record is locked, if there is one.
    async fn check(
        &self,
        _tx: &mut TenantTx,
        _write: &mut Write<'_>,
        _violations: &mut Violations,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// Stores what belongs to the write that was just made, and gives events of its own.
    async fn stored(
        &self,
        _tx: &mut TenantTx,
        _plan: &Plan<'_>,
        _before: Option<&Record>,
        _after: &Record,
    ) -> Result<Vec<NewEvent>, Error> {
        Ok(Vec::new())
    }
}

/// The records among which a write finds its place: those that are stored, or as an import sees them, which has yet to store some.
pub trait Taken: Send {
    /// Refuses a record that would have such a value of another: by an error, or by violations where the call goes on.
    fn check(
        &mut self,
        tx: &mut TenantTx,
        plan: &Plan<'_>,
        before: Option<&Record>,
        after: &Record,
        violations: &mut Violations,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Whether `other` is the record `from` or stands above it, and the records passed on the way up, `limit` at most.
    fn walk_up(
        &mut self,
        tx: &mut TenantTx,
        object: &'static Object,
        (from, other): (Uuid, Uuid),
        limit: i32,
    ) -> impl Future<Output = Result<(bool, Vec<Uuid>), Error>> + Send {
        async move { Ok(store::walk_up(tx, object, from, other, limit).await?) }
    }
}

/// The values that are stored: 409 `DUPLICATE_VALUE`.
#[derive(Debug)]
pub struct Stored;

impl Taken for Stored {
    async fn check(
        &mut self,
        tx: &mut TenantTx,
        plan: &Plan<'_>,
        before: Option<&Record>,
        after: &Record,
        _: &mut Violations,
    ) -> Result<(), Error> {
        let Plan { cx, object, set, .. } = *plan;
        // Only a change of a unique value can collide, and what comes back to life.
        let is_new =
            plan.path == Path::Restore || before.is_none_or(|before| changes(object, set, before, after));
        if is_new { unique::check(tx, cx, object, set, after).await } else { Ok(()) }
    }
}

fn changes(object: &Object, set: &FieldSet, before: &Record, after: &Record) -> bool {
    let mut sides = object.sides.iter().filter(|side| side.holders.is_some());
    sides.any(|side| before.fields.get(side.field) != after.fields.get(side.field))
        || custom::uniques(set, &before.custom) != custom::uniques(set, &after.custom)
}

/// Checks a proposal: the rules between fields, every id that it names, its place in the tree, the object's guard, the reach of the result,
/// and unique values. What is wrong with the record are violations; what the caller may not do, or another record has, are errors.
///
/// The record before is locked, and the fence of permissions was checked in this transaction.
pub async fn prepare(
    tx: &mut TenantTx,
    plan: &Plan<'_>,
    proposal: Proposal,
    taken: &mut impl Taken,
) -> Result<Result<Prepared, Violations>, Error> {
    let Plan { env, cx, object, set, .. } = *plan;
    let Proposal { before, mut after, sent, broken, denied, mut violations, also, elsewhere, ahead } =
        proposal;
    if !denied.is_empty() {
        return Err(draft::read_only(&denied.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    let old = before.as_ref();
    check_rules(plan, old, &after, &broken, &mut violations);
    // Of a row that is wrong in itself nothing is looked up: a file has many.
    if plan.path == Path::Import && !violations.is_empty() {
        return Ok(Err(violations));
    }
    let references = reference::all(object, set, old, &after);
    let Elsewhere { asked, violations: known } = elsewhere;
    // A value that was there before is not looked at again: its user may have left since.
    violations.extend(known.into_iter().filter(|v| references.iter().any(|r| r.pointer == v.pointer)));
    let open: Vec<Reference> = references.iter().filter(|r| !asked.contains(&r.pointer)).cloned().collect();
    violations.extend(env.references.check(cx, &open).await?);
    violations.extend(to_itself(object, &after, &references));
    violations.extend(records(env, tx, cx, &references).await?);
    tree::check(tx, (cx, object), after.id, &references, taken, &mut violations).await?;
    if let Some(guard) = object.guard {
        let mut write = Write { plan, before: old, sent: &sent, after: &mut after };
        guard.check(tx, &mut write, &mut violations).await?;
    }
    // A call is told what is wrong before what others have; a row of a file is told both at once.
    let tells_all = plan.path == Path::Import;
    let prepared = Prepared { before, after, also };
    let changes = plan.path == Path::Restore || prepared.is_change(object);
    let is_told = !violations.is_empty() && !tells_all;
    if is_told || !changes {
        return Ok(if violations.is_empty() { Ok(prepared) } else { Err(violations) });
    }
    if let Err(denied) = check_reach(plan, prepared.before(), prepared.after()) {
        if !tells_all {
            return Err(denied);
        }
        let old = prepared.before().and_then(|before| before.owner_id);
        let field = if old == prepared.after().owner_id { "/team_id" } else { "/owner_id" };
        violations.note(field, Reason::PERMISSION_DENIED, "you may not put a record there");
    }
    taken.check(tx, plan, prepared.before(), prepared.after(), &mut violations).await?;
    if !violations.is_empty() {
        return Ok(Err(violations));
    }
    let Prepared { before, mut after, also } = prepared;
    computed::complete(object, before.as_ref(), ahead.as_ref(), &mut after);
    Ok(Ok(Prepared { before, after, also }))
}

/// What the visible fields of a changed record did not fulfil before, they need not fulfil now.
fn check_rules(
    plan: &Plan<'_>,
    before: Option<&Record>,
    after: &Record,
    broken: &[String],
    violations: &mut Violations,
) {
    if matches!(plan.path, Path::Link | Path::Restore) {
        return;
    }
    let hidden = before.map(|_| plan.mask);
    if let Some(before) = before {
        let mut old = Violations::default();
        (plan.object.rules)(&Rules { after: before, broken: &[], hidden }, &mut old);
        if !old.is_empty() {
            return;
        }
    }
    (plan.object.rules)(&Rules { after, broken, hidden }, violations);
}

/// Who makes a record must reach it, or may assign it; who moves one to another owner or team must reach it there as well, or may assign
/// it: a change is no way around what is refused of a new record.
fn check_reach(plan: &Plan<'_>, before: Option<&Record>, after: &Record) -> Result<(), Error> {
    let (cx, object) = (plan.cx, plan.object.name);
    let is = after.facts();
    let Some(before) = before else {
        // Who may assign may make it their own first, and give it away.
        let own = RowFacts { owner_id: Some(cx.user().uuid()), team_id: None };
        let assigns = || cx.reaches(object, "create", &own) && cx.reaches(object, "assign", &own);
        let may = cx.reaches(object, "create", &is) || assigns();
        return if may { Ok(()) } else { Err(Error::permission_denied(object, "create")) };
    };
    let was = before.facts();
    let stays = (was.owner_id, was.team_id) == (is.owner_id, is.team_id);
    if stays || cx.reaches(object, "update", &is) || cx.reaches(object, "assign", &was) {
        return Ok(());
    }
    Err(Error::permission_denied(object, "assign"))
}

fn to_itself(object: &Object, after: &Record, references: &[Reference]) -> Vec<Violation> {
    let own = references.iter().filter(|r| r.object == object.name && r.id == after.id);
    own.map(|r| Violation::new(r.pointer.clone(), Reason::REFERENCE_CYCLE, "a record cannot refer to itself"))
        .collect()
}
