//! Decides what happens to one row, given what is stored and what the rows before it did.

use auth::Context;
use db::TenantTx;
use error::{Error, Reason, Violation};
use proto::records::v1::DuplicatePolicy;
use query::RowScope;
use record::change::{Author, Diff};
use record::prepare::{Plan as Writing, Proposal, prepare};
use record::{Record, create, write};
use uuid::Uuid;

use super::Imports;
use super::attached::{Attached, Change, Held};
use super::merge;
use super::overlay::Overlay;
use super::plan::Plan;
use super::row::ReadRow;

/// What a row did.
pub(super) enum Done {
    Created,
    Updated,
    Skipped,
}

/// What a row did, or everything that is wrong with it.
type Verdict = Result<Done, Vec<Violation>>;

/// Who imports, and how.
pub(super) struct Decider<'a> {
    pub(super) imports: &'a Imports,
    pub(super) cx: &'a Context,
    pub(super) plan: &'a Plan,
    pub(super) author: &'a Author,
}

/// A record that a row repeats, and by which value.
struct Found {
    id: Uuid,
    /// Where the value stands in a record.
    pointer: String,
    value: String,
}

impl Decider<'_> {
    /// Works a row into the overlay.
    pub(super) async fn decide(
        &self,
        tx: &mut TenantTx,
        overlay: &mut Overlay,
        row: &mut ReadRow,
    ) -> Result<Verdict, Error> {
        let found = if self.plan.merges() { self.find(overlay, row) } else { Vec::new() };
        let Some(first) = found.first() else {
            // What is said to be there is not made anew.
            let is_missing = row.id.is_some() && row.record.is_none();
            return if is_missing {
                Ok(Err(std::mem::take(&mut row.violations).into()))
            } else {
                self.create(tx, overlay, row).await
            };
        };
        if !row.violations.is_empty() {
            return Ok(Err(std::mem::take(&mut row.violations).into()));
        }
        let object = self.plan.importable.object.name;
        let refuse = |found: &Found, reason, text: String| {
            Ok(Err(vec![Violation::new(found.pointer.clone(), reason, text)]))
        };
        match self.plan.policy {
            DuplicatePolicy::Update => match found.iter().find(|other| other.id != first.id) {
                Some(other) => {
                    let text = format!("this value belongs to another {object} than the row's other values");
                    refuse(other, Reason::DUPLICATE_AMBIGUOUS, text)
                }
                None => self.update(tx, overlay, first, row).await,
            },
            DuplicatePolicy::Fail => {
                refuse(first, Reason::DUPLICATE, format!("another {object} has this value"))
            }
            _ => Ok(Ok(Done::Skipped)),
        }
    }

    /// The records that a row repeats, by its values, those that say most first.
    fn find(&self, overlay: &Overlay, row: &ReadRow) -> Vec<Found> {
        let values = row.keys(self.plan).into_iter();
        let holders = values.filter_map(|(key, pair)| {
            let (id, pointer) = (overlay.holder(key, &pair)?, key.pointer(&pair));
            Some(Found { id, pointer, value: pair.0 })
        });
        let itself = row.record.map(|id| Found { id, pointer: "/id".to_owned(), value: id.to_string() });
        itself.into_iter().chain(holders).collect()
    }

    async fn create(
        &self,
        tx: &mut TenantTx,
        overlay: &mut Overlay,
        row: &mut ReadRow,
    ) -> Result<Verdict, Error> {
        let mut record = create::new_record(self.author, "import");
        record.set("owner_id", self.cx.user().to_string().into());
        let id = record.id;
        let writing = self.writing();
        (self.plan.importable.settle)(None, row);
        let (fields, custom) = (row.fields.clone(), row.custom.clone());
        let (mut new, mut diffs) = (None, Vec::new());
        if let Some(attached) = self.plan.importable.attached {
            new = attached.of_new(row, self.author.now)?;
            diffs = new.iter().map(|value| attached.diff(None, Some(value))).collect::<Result<_, _>>()?;
        }
        let proposal = Proposal::create(&writing, record, row.sent(self.plan, fields, custom))
            .and_also(diffs)
            .knowing(&row.asked, row.unknown.clone());
        match prepare(tx, &writing, proposal, overlay).await? {
            Ok(prepared) => {
                overlay.make(self.plan, prepared);
                if let Some(value) = new {
                    overlay.put_attached(id, value);
                }
                Ok(Ok(Done::Created))
            }
            Err(violations) => Ok(Err(violations.into())),
        }
    }

    /// Writes what a row sets into the record that it repeats.
    async fn update(
        &self,
        tx: &mut TenantTx,
        overlay: &mut Overlay,
        found: &Found,
        row: &mut ReadRow,
    ) -> Result<Verdict, Error> {
        let (id, object) = (found.id, self.plan.importable.object);
        let Some(before) = overlay.record(tx, id).await? else { return Ok(Ok(Done::Updated)) };
        if !self.cx.reaches(object.name, "update", &before.facts()) {
            let text = format!("you may not change the {} that has this value", object.name);
            return Ok(Err(vec![Violation::new(found.pointer.clone(), Reason::PERMISSION_DENIED, text)]));
        }
        (self.plan.importable.settle)(Some(&before), row);
        let attached = self.plan.importable.attached;
        let held = Held { record: id, all: overlay.attached(id), is_new: overlay.makes(id) };
        let change = match attached {
            Some(attached) => attached.of_known(tx, held, row, self.author.now).await?,
            None => None,
        };
        let diffs = match attached {
            Some(attached) => diffs(attached, overlay, id, change.as_ref())?,
            None => Vec::new(),
        };
        let writing = self.writing();
        let sent = self.merged(&before, found, row);
        let proposal =
            Proposal::change(&writing, before, sent).and_also(diffs).knowing(&row.asked, row.unknown.clone());
        let prepared = match prepare(tx, &writing, proposal, overlay).await? {
            Ok(prepared) => prepared,
            Err(violations) => return Ok(Err(violations.into())),
        };
        if !prepared.is_change(object) {
            return Ok(Ok(Done::Updated));
        }
        let is_stored = !overlay.holds(id);
        overlay.change(self.plan, &prepared, is_stored);
        let value = change.map(|change| change.after);
        if is_stored {
            let scope = RowScope::from(&self.cx.snapshot.predicate(object.name, "update"));
            write::update(tx, &writing, prepared, &scope).await?;
            if let Some((attached, value)) = attached.zip(value) {
                attached.put(tx, self.author.actor, &[(id, value)]).await?;
            }
        } else if let Some(value) = value {
            overlay.put_attached(id, value);
        }
        Ok(Ok(Done::Updated))
    }

    /// What a row sends, joined with what the record holds.
    fn merged(&self, before: &Record, found: &Found, row: &mut ReadRow) -> record::Sent {
        let mut violations = std::mem::take(&mut row.violations);
        let found_by = Some(found.value.as_str());
        let fields = merge::merged(self.plan.importable, before, row, found_by, &mut violations);
        row.violations = violations;
        let custom = merge::merged_custom(before, row);
        row.sent(self.plan, fields, custom)
    }

    fn writing(&self) -> Writing<'_> {
        self.plan.writing(self.imports, self.cx, self.author)
    }
}

/// The changes of what is attached to the record. A record that this batch makes is written once, with all that is attached to it.
fn diffs(
    attached: &'static dyn Attached,
    overlay: &Overlay,
    id: Uuid,
    change: Option<&Change>,
) -> Result<Vec<Diff>, Error> {
    let made = if overlay.makes(id) { overlay.attached(id) } else { &[] };
    let Some(Change { before, after }) = change else {
        return made.iter().map(|value| attached.diff(None, Some(value))).collect();
    };
    if !overlay.makes(id) {
        return Ok(vec![attached.diff(before.as_ref(), Some(after))?]);
    }
    let others = made.iter().filter(|value| !attached.is_same(value, after));
    others.chain([after]).map(|value| attached.diff(None, Some(value))).collect()
}
