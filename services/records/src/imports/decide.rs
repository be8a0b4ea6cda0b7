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

use super::importable::Key;
use super::linking::{self, Linking};
use super::merge;
use super::overlay::Overlay;
use super::plan::Plan;
use super::row::ReadRow;
use crate::App;

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
    pub(super) app: &'a App,
    pub(super) cx: &'a Context,
    pub(super) plan: &'a Plan,
    pub(super) author: &'a Author,
}

/// A record that a row repeats, and by which value.
struct Found {
    id: Uuid,
    key: &'static Key,
    pair: (String, String),
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
        let Some(first) = found.first() else { return self.create(tx, overlay, row).await };
        if !row.violations.is_empty() {
            return Ok(Err(std::mem::take(&mut row.violations).into()));
        }
        let object = self.plan.importable.object.name;
        let refuse = |found: &Found, reason, text: String| {
            Ok(Err(vec![Violation::new(found.key.pointer(&found.pair), reason, text)]))
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
        let holders =
            values.filter_map(|(key, pair)| Some(Found { id: overlay.holder(key, &pair)?, key, pair }));
        holders.collect()
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
        let (fields, custom) = (row.fields.clone(), row.custom.clone());
        let link = linking::new(row, self.author.now);
        let diffs = link.iter().map(|link| crate::links::diff(None, Some(link))).collect();
        let proposal =
            Proposal::create(&writing, record, row.sent(self.plan, fields, custom)).and_also(diffs);
        match prepare(tx, &writing, proposal, overlay).await? {
            Ok(prepared) => {
                overlay.make(self.plan, prepared);
                if let Some(link) = link {
                    overlay.link(id, link);
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
            let pointer = found.key.pointer(&found.pair);
            return Ok(Err(vec![Violation::new(pointer, Reason::PERMISSION_DENIED, text)]));
        }
        let linking = linking::find(tx, overlay, id, row, self.author.now).await?;
        let diffs = diffs(overlay, id, linking.as_ref());
        let writing = self.writing();
        let sent = self.merged(&before, found, row);
        let proposal = Proposal::change(&writing, before, sent).and_also(diffs);
        let prepared = match prepare(tx, &writing, proposal, overlay).await? {
            Ok(prepared) => prepared,
            Err(violations) => return Ok(Err(violations.into())),
        };
        if !prepared.is_change(object) {
            return Ok(Ok(Done::Updated));
        }
        let is_stored = !overlay.holds(id);
        overlay.change(self.plan, &prepared, is_stored);
        let link = linking.map(|linking| linking.after);
        if is_stored {
            let scope = RowScope::from(&self.cx.snapshot.predicate(object.name, "update"));
            write::update(tx, &writing, prepared, &scope).await?;
            if let Some(link) = link {
                crate::links::put(tx, self.author.actor, &[(id, link)]).await?;
            }
        } else if let Some(link) = link {
            overlay.link(id, link);
        }
        Ok(Ok(Done::Updated))
    }

    /// What a row sends, joined with what the record holds.
    fn merged(&self, before: &Record, found: &Found, row: &mut ReadRow) -> record::Sent {
        let mut violations = std::mem::take(&mut row.violations);
        let found_by = Some(found.pair.0.as_str());
        let fields = merge::merged(self.plan.importable, before, row, found_by, &mut violations);
        row.violations = violations;
        let custom = merge::merged_custom(before, row);
        row.sent(self.plan, fields, custom)
    }

    fn writing(&self) -> Writing<'_> {
        self.plan.writing(self.app, self.cx, self.author)
    }
}

/// What changes beside the row. A record that this batch makes is written once, with all of its links.
fn diffs(overlay: &Overlay, id: Uuid, linking: Option<&Linking>) -> Vec<Diff> {
    let Some(Linking { before, after }) = linking else {
        return links_of(overlay, id);
    };
    if !overlay.makes(id) {
        return vec![crate::links::diff(before.as_ref(), Some(after))];
    }
    let others = overlay.links(id).iter().filter(|link| link.company_id != after.company_id);
    others.chain([after]).map(|link| crate::links::diff(None, Some(link))).collect()
}

/// The links of a record that this batch makes, which are written with it.
fn links_of(overlay: &Overlay, id: Uuid) -> Vec<Diff> {
    let links = if overlay.makes(id) { overlay.links(id) } else { &[] };
    links.iter().map(|link| crate::links::diff(None, Some(link))).collect()
}
