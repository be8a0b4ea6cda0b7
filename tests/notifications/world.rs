//! A notifications service with its database.

use std::ops::Deref;
use std::sync::Arc;

use anyhow::Result;
use auth::VerifiedTenant;
use config::SecretString;
use db::{Db, TenantTx};
use events::{Change, Delivery, Event, Handler};
use ids::{Clock, TenantId};
use notifications::event_types::Catalogue;
use notifications::journal::Listener;
use notifications::waiting::Waiting;
use notifications::{App, Service};
use query::CursorKey;
use uuid::Uuid;

use super::model::Model;
use crate::database::Database;
use crate::world::{Ground, TestGate};

pub(crate) const SCHEMA: &str = "notifications";
/// What seals cursors.
pub(crate) const CURSOR_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// One service, with what is around it.
pub(crate) struct World {
    served: crate::world::World<Service>,
    pub(crate) waiting: Arc<Waiting>,
    /// The services that keep records.
    pub(crate) model: Model,
}

impl Deref for World {
    type Target = crate::world::World<Service>;

    fn deref(&self) -> &Self::Target {
        &self.served
    }
}

impl World {
    pub(crate) async fn new() -> Result<Self> {
        Self::on(Database::shared(notifications::MIGRATIONS).await?)
    }

    /// A service on a database.
    pub(crate) fn on(database: Database) -> Result<Self> {
        let ground = Ground::on(database, SCHEMA, Clock::system())?;
        let gates = TestGate::new(&ground.clock)?;
        let waiting = Arc::<Waiting>::default();
        let model = Model::default();
        let app = App {
            gate: gates.gate.clone(),
            db: ground.db.clone(),
            cursor_key: CursorKey::new(&SecretString::from(CURSOR_SECRET))?,
            catalogue: Catalogue::new()?,
            waiting: waiting.clone(),
            ask: model.ask(),
        };
        let served = crate::world::World::on(ground, gates, Service::new(app));
        Ok(Self { served, waiting, model })
    }

    /// An event of a contact in a version.
    pub(crate) fn event(&self, tenant: TenantId, record_id: Uuid, version: i64) -> Event {
        event(&self.clock, tenant, ("contact", record_id, "updated"), version)
    }

    /// Writes an event as the consumer does, and tells of it.
    pub(crate) async fn write(&self, event: Event) -> Result<()> {
        let listener = Listener { waiting: self.waiting.clone() };
        let (delivery, tx) = begun(&self.db, &listener, event).await?;
        tx.commit().await?;
        listener.committed(&delivery);
        Ok(())
    }

    /// The numbers of a tenant with their events, in their order.
    pub(crate) async fn numbers(&self, tenant: TenantId) -> Result<Vec<(i64, Uuid)>> {
        numbers(&self.served, tenant).await
    }
}

/// An event that a listener has written in a transaction that is still open.
pub(crate) async fn begun(db: &Db, listener: &Listener, event: Event) -> Result<(Delivery, TenantTx)> {
    let mut tx = TenantTx::begin_job(db, VerifiedTenant::from_claim(event.tenant)).await?;
    let delivery = Delivery { event, attempt: 1 };
    listener.handle(&mut tx, &delivery).await?;
    Ok((delivery, tx))
}

/// The numbers of a tenant with their events, in their order.
pub(crate) async fn numbers(ground: &Ground, tenant: TenantId) -> Result<Vec<(i64, Uuid)>> {
    let query = sqlx::query_as(
        "SELECT number, event_id FROM notifications.journal WHERE tenant_id = $1 ORDER BY number",
    );
    Ok(query.bind(tenant.uuid()).fetch_all(&mut ground.sql().await?).await?)
}

/// What happened to a record.
pub(crate) fn event(
    clock: &Clock,
    tenant: TenantId,
    (object, record_id, verb): (&str, Uuid, &str),
    version: i64,
) -> Event {
    let service = match object {
        "deal" => "pipeline",
        "activity" | "note" => "activities",
        _ => "records",
    };
    Event {
        id: clock.new_uuid(),
        kind: format!("{service}.{object}.{verb}.v1"),
        tenant,
        object: object.to_owned(),
        record_id,
        version,
        actor: Uuid::nil(),
        actor_kind: None,
        owner: None,
        team: None,
        changes: vec![Change {
            field: "last_name".to_owned(),
            before: Some("\"a name that was\"".to_owned()),
            after: Some("\"a name that is\"".to_owned()),
        }],
        values_omitted: false,
        time: clock.now_micros(),
        traceparent: None,
    }
}
