//! How users, teams, roles, keys and sessions are changed: in one order per tenant, each change with its audit row, its
//! permission version, its fence and its events in the same transaction.
//!
//! The head row of the tenant is locked first, before any other row, so that two changes never wait for each other crosswise
//! and a permission version is always greater than those committed before it. All versions of a tenant come from one counter:
//! a principal's version is the greatest that concerns it or everyone, and a fence of either kind compares with it.

pub(crate) mod chain;
mod key;
mod settle;
mod store;

use auth::{Call, Context, Gate, PrincipalKind, VerifiedTenant};
use db::{Db, DbError, TenantTx};
use error::{Error, Reason};
use events::NewEvent;
use ids::Clock;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

pub(crate) use chain::Entry;
pub use key::{AuditKey, AuditKeyTooShort};
pub use settle::Settle;
pub(crate) use store::{AuditRow, FIRST_HASH, Head, head};

/// The principal of changes that concern everyone in the tenant.
pub(crate) const EVERYONE: Uuid = Uuid::nil();

/// Who makes a change.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) kind: PrincipalKind,
    pub(crate) id: Uuid,
    pub(crate) request_id: String,
    pub(crate) traceparent: Option<String>,
}

impl Actor {
    /// The caller.
    pub(crate) fn of(cx: &Context) -> Self {
        Self::new(cx.principal.kind, cx.principal.id, &cx.call)
    }

    /// A user who proved by password or secret who they are.
    pub(crate) fn user(id: Uuid, call: &Call) -> Self {
        Self::new(PrincipalKind::User, id, call)
    }

    /// Somebody who has not proved who they are.
    pub(crate) fn nobody(call: &Call) -> Self {
        Self::new(PrincipalKind::Service, Uuid::nil(), call)
    }

    fn new(kind: PrincipalKind, id: Uuid, call: &Call) -> Self {
        Self {
            kind,
            id,
            request_id: call.request_id.clone(),
            traceparent: host::trace::current_traceparent(),
        }
    }
}

/// Whose permissions a change touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touches {
    Nobody,
    /// A user (and so its API keys) or an API key.
    Principal(Uuid),
    Everyone,
}

/// One change, to be recorded.
#[derive(Debug)]
pub(crate) struct Change {
    /// `user`, `role`, …
    pub(crate) object: &'static str,
    /// The audit action's verb: `create`.
    pub(crate) action: &'static str,
    /// The event's verb: `created`.
    pub(crate) verb: &'static str,
    pub(crate) record_id: Uuid,
    /// The record's version after the change.
    pub(crate) version: i64,
    /// The user the record belongs to.
    pub(crate) owner: Option<Uuid>,
    /// The record as JSON object; never a secret.
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
    /// Why, where the system did it by itself.
    pub(crate) reason: &'static str,
    pub(crate) touches: Touches,
    /// Whether it takes something away: then the fence is raised, so that no write commits on what was before. After a
    /// change that only gives, older permissions do no harm, and no write is refused for it.
    pub(crate) narrows: bool,
}

/// What changes are recorded with.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    pub(crate) clock: Clock,
    pub(crate) key: AuditKey,
}

/// A transaction that changes who may do what.
pub(crate) struct ChangeTx {
    tx: TenantTx,
    head: Head,
    touched: Vec<Touches>,
}

impl ChangeTx {
    /// Begins with the tenant's head locked; `None` when there is no such tenant.
    pub(crate) async fn begin(db: &Db, tenant: VerifiedTenant) -> Result<Option<Self>, DbError> {
        let mut tx = TenantTx::begin(db, tenant).await?;
        Ok(store::lock_head(&mut tx).await?.map(|head| Self { tx, head, touched: Vec::new() }))
    }

    /// Begins for a caller, whose permissions are not older than the fence.
    pub(crate) async fn begin_for(db: &Db, cx: &Context) -> Result<Self, Error> {
        let mut change = Self::begin_own(db, cx).await?;
        // The head is locked: no permission of the tenant changes before this ends.
        db::fence::check_serialised(&mut change.tx, cx).await?;
        Ok(change)
    }

    /// Begins for a caller who ends what is their own, which no permission decides.
    pub(crate) async fn begin_own(db: &Db, cx: &Context) -> Result<Self, Error> {
        let gone = || Error::unauthenticated(Reason::TOKEN_INVALID, "the access token is not valid");
        Self::begin(db, cx.tenant).await?.ok_or_else(gone)
    }

    /// Goes on with a transaction that has just made its tenant.
    pub(crate) async fn of_new_tenant(recorder: &Recorder, mut tx: TenantTx) -> Result<Self, DbError> {
        let head = Head::first(&recorder.key, tx.tenant_id());
        store::insert_head(&mut tx, &head).await?;
        store::touch(&mut tx, EVERYONE, head.permission_version).await?;
        Ok(Self { tx, head, touched: Vec::new() })
    }

    /// The transaction, for `store.rs` functions.
    pub(crate) fn tx(&mut self) -> &mut TenantTx {
        &mut self.tx
    }

    /// Writes the audit row, the new permission version, the fence and the events of a change.
    pub(crate) async fn record(
        &mut self,
        recorder: &Recorder,
        actor: &Actor,
        change: Change,
    ) -> Result<(), DbError> {
        let clock = &recorder.clock;
        let now = clock.now_micros();
        if change.touches != Touches::Nobody {
            self.head.permission_version += 1;
        }
        append(&mut self.tx, &recorder.key, &mut self.head, (now, actor), change.entry()).await?;

        let event = |object, verb, record_id, version, owner, changes| NewEvent {
            id: clock.new_uuid(),
            service: "identity",
            object,
            verb,
            record_id,
            version,
            actor: actor.id,
            actor_kind: Some(actor.kind),
            owner,
            team: None,
            changes,
            lane: events::Lane::Interactive,
            traceparent: actor.traceparent.clone(),
            time: now,
        };
        let changes = differences(change.before.as_ref(), change.after.as_ref());
        let mut events =
            vec![event(change.object, change.verb, change.record_id, change.version, change.owner, changes)];
        let concerned = match change.touches {
            Touches::Nobody => None,
            Touches::Principal(id) => Some((id, Some(id))),
            // The event names the tenant where it means everyone in it.
            Touches::Everyone => Some((self.tx.tenant_id(), None)),
        };
        self.touched.push(change.touches);
        if let Some((record_id, principal)) = concerned {
            let version = self.head.permission_version;
            store::touch(&mut self.tx, principal.unwrap_or(EVERYONE), version).await?;
            if change.narrows {
                db::fence::raise(&mut self.tx, principal, version).await?;
            }
            let narrows = events::Change {
                field: "narrows".to_owned(),
                before: None,
                after: Some(change.narrows.to_string()),
            };
            events.push(event("permissions", "changed", record_id, version, None, vec![narrows]));
        }
        events::outbox::append_many(&mut self.tx, &events).await
    }

    /// Commits what went well, as [`ChangeTx::commit`]; takes back what did not, and waits for it ([`TenantTx::settle`]).
    pub(crate) async fn settle<T, E: From<DbError>>(self, gate: &Gate, result: Result<T, E>) -> Result<T, E> {
        if result.is_err() {
            return self.tx.settle(result).await;
        }
        self.commit(gate).await?;
        result
    }

    /// Commits, and drops the snapshots that this instance holds of whom the changes touch.
    pub(crate) async fn commit(self, gate: &Gate) -> Result<(), DbError> {
        let tenant = self.tx.tenant_id();
        self.tx.commit().await?;
        for touched in self.touched {
            match touched {
                Touches::Nobody => {}
                Touches::Principal(id) => gate.forget(tenant, Some(id)),
                Touches::Everyone => gate.forget(tenant, None),
            }
        }
        Ok(())
    }
}

/// Writes the audit row of a change that another service made, and has told with its event; what follows from it is that service's.
/// `false` where there is no such tenant.
pub(crate) async fn record_reported(
    tx: &mut TenantTx,
    key: &AuditKey,
    made: (OffsetDateTime, &Actor),
    entry: Entry,
) -> Result<bool, DbError> {
    let Some(mut head) = store::lock_head(tx).await? else { return Ok(false) };
    append(tx, key, &mut head, made, entry).await?;
    Ok(true)
}

/// Writes an entry behind the head, which is locked and moves on.
async fn append(
    tx: &mut TenantTx,
    key: &AuditKey,
    head: &mut Head,
    made: (OffsetDateTime, &Actor),
    entry: Entry,
) -> Result<(), DbError> {
    let row = chain::row(key, tx.tenant_id(), head, made, entry);
    store::insert_audit(tx, &row).await?;
    store::update_head(tx, head).await
}

impl Change {
    fn entry(&self) -> Entry {
        Entry {
            action: format!("identity.{}.{}", self.object, self.action),
            record_id: self.record_id,
            before: self.before.as_ref().map(Value::to_string),
            after: self.after.as_ref().map(Value::to_string),
            reason: self.reason.to_owned(),
        }
    }
}

/// The members that differ, with both values.
fn differences(before: Option<&Value>, after: Option<&Value>) -> Vec<events::Change> {
    let members = |v: Option<&Value>| v.and_then(Value::as_object).cloned().unwrap_or_default();
    let (before, after) = (members(before), members(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| events::Change {
            field: name.clone(),
            before: before.get(name).map(Value::to_string),
            after: after.get(name).map(Value::to_string),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_names_what_differs_and_nothing_else() {
        let changes = differences(
            Some(&json!({"name": "a", "state": "active", "gone": 1})),
            Some(&json!({"name": "b", "state": "active", "new": null})),
        );
        let found: Vec<_> =
            changes.iter().map(|c| (c.field.as_str(), c.before.as_deref(), c.after.as_deref())).collect();
        assert_eq!(
            found,
            [("gone", Some("1"), None), ("name", Some("\"a\""), Some("\"b\"")), ("new", None, Some("null"))]
        );
    }
}
