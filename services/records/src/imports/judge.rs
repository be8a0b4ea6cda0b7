//! What becomes of one row, by what stands when its turn comes.

use auth::Context;
use db::TenantTx;
use error::{Error, Reason, Violation};
use proto::records::v1::DuplicatePolicy;
use query::RowScope;
use record::change::{Author, diff};
use record::{Record, create, custom, reference, write};
use uuid::Uuid;

use super::book::Book;
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
pub(super) struct Judge<'a> {
    pub(super) app: &'a App,
    pub(super) cx: &'a Context,
    pub(super) plan: &'a Plan,
    pub(super) author: &'a Author,
}

impl Judge<'_> {
    /// Works a row into the book.
    pub(super) async fn judge(
        &self,
        tx: &mut TenantTx,
        book: &mut Book,
        row: &mut ReadRow,
    ) -> Result<Verdict, Error> {
        let holder = row.address().filter(|_| self.plan.merges()).and_then(|address| book.holder(address));
        let Some(holder) = holder else { return self.create(tx, book, row).await };
        if !row.violations.is_empty() {
            return Ok(Err(std::mem::take(&mut row.violations)));
        }
        match self.plan.policy {
            DuplicatePolicy::Update => self.update(tx, book, holder, row).await,
            DuplicatePolicy::Fail => {
                Ok(Err(vec![Violation::new("/emails", Reason::DUPLICATE, "a contact has this address")]))
            }
            _ => Ok(Ok(Done::Skipped)),
        }
    }

    async fn create(&self, tx: &mut TenantTx, book: &mut Book, row: &mut ReadRow) -> Result<Verdict, Error> {
        let record = row.record(self.app, self.plan, self.author, &self.cx.user().to_string());
        let mut violations = std::mem::take(&mut row.violations);
        // What is wrong in itself need not be looked up.
        if violations.is_empty() {
            violations = self.references(tx, None, &record).await?;
            let uniques = custom::uniques(&self.plan.set, &record.custom);
            if book.is_taken(tx, record.id, &uniques).await? {
                violations.push(taken_value());
            }
        }
        if !violations.is_empty() {
            return Ok(Err(violations));
        }
        book.make(self.plan, row.address().filter(|_| self.plan.merges()), record);
        Ok(Ok(Done::Created))
    }

    /// Writes what a row sets into the contact that has its address.
    async fn update(
        &self,
        tx: &mut TenantTx,
        book: &mut Book,
        id: Uuid,
        row: &ReadRow,
    ) -> Result<Verdict, Error> {
        let Self { cx, plan, author, .. } = self;
        let Some(before) = book.contact(tx, id).await? else { return Ok(Ok(Done::Updated)) };
        if !cx.reaches(CONTACT.name, "update", &before.facts()) {
            let text = "you may not change the contact that has this address";
            return Ok(Err(vec![Violation::new("", Reason::PERMISSION_DENIED, text)]));
        }
        let mut after = match self.set(&before, row) {
            Ok(after) => after,
            Err(violations) => return Ok(Err(violations)),
        };
        if diff(&CONTACT, &before, &after).is_empty() {
            return Ok(Ok(Done::Updated));
        }
        let mut violations = self.references(tx, Some(&before), &after).await?;
        let had = custom::uniques(&plan.set, &before.custom);
        let mut uniques = custom::uniques(&plan.set, &after.custom);
        uniques.retain(|unique| !had.contains(unique));
        if book.is_taken(tx, id, &uniques).await? {
            violations.push(taken_value());
        }
        if !violations.is_empty() {
            return Ok(Err(violations));
        }
        let is_stored = !book.holds(id);
        if is_stored {
            after.version += 1;
            write::touch(&mut after, author);
            let scope = RowScope::from(&cx.snapshot.predicate(CONTACT.name, "update"));
            write::update(tx, author, &CONTACT, &plan.set, (&before, &after), &scope, Vec::new()).await?;
        }
        book.change(plan, &before, after, is_stored);
        Ok(Ok(Done::Updated))
    }

    /// The contact with what a row sets.
    fn set(&self, before: &Record, row: &ReadRow) -> Result<Record, Vec<Violation>> {
        let mut after = before.clone();
        for (name, value) in row.fields.iter().filter(|(name, _)| *name != "emails") {
            after.set(name, value.clone());
        }
        let (set, mask) = (&self.plan.set, &self.plan.mask);
        let violations = custom::merge(set, mask, &mut after.custom, &row.custom, self.app.env.region);
        create::finish_fields(&CONTACT, &mut after);
        if violations.is_empty() { Ok(after) } else { Err(violations.into()) }
    }

    /// The violations of ids that a row sets. The owner of a new contact is who imports.
    async fn references(
        &self,
        tx: &mut TenantTx,
        before: Option<&Record>,
        after: &Record,
    ) -> Result<Vec<Violation>, Error> {
        let mut references = reference::all(&CONTACT, &self.plan.set, before, after);
        references.retain(|r| r.pointer != "/owner_id");
        let mut violations = self.app.env.people.check(self.cx, &references).await?;
        violations.extend(reference::records(&self.app.env, tx, self.cx, &references).await?);
        Ok(violations)
    }
}

fn taken_value() -> Violation {
    Violation::new("", Reason::DUPLICATE_VALUE, "another contact has a value that must be unique")
}
