//! Decides what happens to one row, given what is stored and what the rows before it did.

use auth::Context;
use db::TenantTx;
use error::{Error, Reason, Violation};
use proto::records::v1::DuplicatePolicy;
use query::RowScope;
use record::change::Author;
use record::prepare::{Plan as Writing, Proposal, prepare};
use record::{create, write};
use uuid::Uuid;

use super::overlay::Overlay;
use super::plan::Plan;
use super::row::ReadRow;
use crate::App;
use crate::contacts::CONTACT;

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

impl Decider<'_> {
    /// Works a row into the overlay.
    pub(super) async fn decide(
        &self,
        tx: &mut TenantTx,
        overlay: &mut Overlay,
        row: &mut ReadRow,
    ) -> Result<Verdict, Error> {
        let holder = row.address().filter(|_| self.plan.merges()).and_then(|address| overlay.holder(address));
        let Some(holder) = holder else { return self.create(tx, overlay, row).await };
        if !row.violations.is_empty() {
            return Ok(Err(std::mem::take(&mut row.violations).into()));
        }
        match self.plan.policy {
            DuplicatePolicy::Update => self.update(tx, overlay, holder, row).await,
            DuplicatePolicy::Fail => {
                Ok(Err(vec![Violation::new("/emails", Reason::DUPLICATE, "a contact has this address")]))
            }
            _ => Ok(Ok(Done::Skipped)),
        }
    }

    async fn create(
        &self,
        tx: &mut TenantTx,
        overlay: &mut Overlay,
        row: &mut ReadRow,
    ) -> Result<Verdict, Error> {
        let mut record = create::new_record(self.author, "import");
        record.set("owner_id", self.cx.user().to_string().into());
        let writing = self.writing();
        let proposal = Proposal::create(&writing, record, row.sent());
        match prepare(tx, &writing, proposal, overlay).await? {
            Ok(prepared) => {
                overlay.make(self.plan, row.address().filter(|_| self.plan.merges()), prepared);
                Ok(Ok(Done::Created))
            }
            Err(violations) => Ok(Err(violations.into())),
        }
    }

    /// Writes what a row sets into the contact that has its address.
    async fn update(
        &self,
        tx: &mut TenantTx,
        overlay: &mut Overlay,
        id: Uuid,
        row: &mut ReadRow,
    ) -> Result<Verdict, Error> {
        let Some(before) = overlay.contact(tx, id).await? else { return Ok(Ok(Done::Updated)) };
        if !self.cx.reaches(CONTACT.name, "update", &before.facts()) {
            let text = "you may not change the contact that has this address";
            return Ok(Err(vec![Violation::new("", Reason::PERMISSION_DENIED, text)]));
        }
        let writing = self.writing();
        let mut sent = row.sent();
        // By its address the row found the contact.
        sent.fields.remove("emails");
        let proposal = Proposal::change(&writing, before, sent);
        let prepared = match prepare(tx, &writing, proposal, overlay).await? {
            Ok(prepared) => prepared,
            Err(violations) => return Ok(Err(violations.into())),
        };
        if !prepared.is_change(&CONTACT) {
            return Ok(Ok(Done::Updated));
        }
        let is_stored = !overlay.holds(id);
        overlay.change(self.plan, &prepared, is_stored);
        if is_stored {
            let scope = RowScope::from(&self.cx.snapshot.predicate(CONTACT.name, "update"));
            write::update(tx, &writing, prepared, &scope).await?;
        }
        Ok(Ok(Done::Updated))
    }

    fn writing(&self) -> Writing<'_> {
        self.plan.writing(self.app, self.cx, self.author)
    }
}
