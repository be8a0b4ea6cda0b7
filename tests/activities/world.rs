//! An activities service with its database, and records of the other services that the test decides.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use activities::Service;
use anyhow::Result;
use config::SecretString;
use events::{Event, Handler};
use ids::{Clock, TenantId};
use proto::activities::v1 as pb;
use proto::activities::v1::activities_service_server::ActivitiesService;
use query::CursorKey;
use record::Env;
use record::definitions::Definitions;
use record::peer_records::{Listener, Reconciler};
use record::reference::References;
use uuid::Uuid;

use crate::database::Database;
pub(crate) use crate::world::{ALL, Known, May, Refusal};
use crate::world::{Ground, TestGate, definitions};

pub(crate) type Caller = crate::world::Caller<Service>;

/// One service, with what is around it.
pub(crate) struct World {
    served: crate::world::World<Service>,
    pub(crate) known: Known,
    /// Moves the clock.
    pub(crate) time: ids::FixedClock,
}

impl Deref for World {
    type Target = crate::world::World<Service>;

    fn deref(&self) -> &Self::Target {
        &self.served
    }
}

impl World {
    pub(crate) async fn new() -> Result<Self> {
        Self::on(Database::shared(activities::MIGRATIONS).await?)
    }

    /// A service on a database.
    pub(crate) fn on(database: Database) -> Result<Self> {
        let (clock, time) = Clock::fixed(time::OffsetDateTime::now_utc());
        let ground = Ground::on(database, "activities", clock)?;
        let gates = TestGate::new(&ground.clock)?;
        let (known, set) = (Known::default(), definitions::field_set());
        let env = Env {
            role: fleet::Role::Activities,
            objects: activities::OBJECTS,
            db: ground.db.clone(),
            clock: ground.clock.clone(),
            wake: events::Wake::default(),
            cursor_key: CursorKey::new(&SecretString::from("0123456789abcdef0123456789abcdef"))?,
            region: None,
            definitions: Definitions::new(Arc::new(move |_, _, _| {
                let set = set.clone();
                Box::pin(async move { Ok(set) })
            })),
            references: References::to_people(known.ask()).and_to(activities::PEER_OBJECTS, known.ask()),
        };
        let service = Service::new(gates.gate.clone(), env);
        Ok(Self { served: crate::world::World::on(ground, gates, service), known, time })
    }

    /// Somebody who may do everything in a tenant of their own.
    pub(crate) fn admin(&self) -> Result<Caller> {
        self.served.caller(self.tenant(), &ALL)
    }

    /// Delivers the event of another service that `verb` brought a record to a version. Gives who did that.
    pub(crate) async fn hear(&self, tenant: TenantId, of: (&str, &str, &str), version: i64) -> Result<Uuid> {
        let actor = self.clock.new_uuid();
        self.hear_by(actor, tenant, of, version).await?;
        Ok(actor)
    }

    /// As [`Self::hear`], by somebody known.
    pub(crate) async fn hear_by(
        &self,
        actor: Uuid,
        tenant: TenantId,
        (object, id, verb): (&str, &str, &str),
        version: i64,
    ) -> Result<()> {
        let event = Event {
            id: self.clock.new_uuid(),
            kind: format!("records.{object}.{verb}.v1"),
            tenant,
            object: object.to_owned(),
            record_id: Uuid::try_parse(id)?,
            version,
            actor,
            owner: None,
            team: None,
            changes: Vec::new(),
            values_omitted: false,
            time: self.clock.now(),
            traceparent: None,
        };
        let listener = Listener {
            peers: activities::PEER_OBJECTS,
            objects: activities::OBJECTS,
            clock: self.clock.clone(),
            heard: Arc::default(),
        };
        let mut tx = self.tx(tenant).await?;
        listener.handle(&mut tx, &events::Delivery { event, attempt: 1 }).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The job that applies such events to notes.
    pub(crate) fn reconciler(&self) -> Result<Reconciler> {
        Ok(Reconciler {
            role: fleet::Role::Activities,
            objects: activities::OBJECTS,
            db: self.db.clone(),
            worker: self.worker()?,
            clock: self.clock.clone(),
            wake: events::Wake::default(),
            heard: Arc::default(),
        })
    }

    /// The types of the events of a record with their lanes, in their order.
    pub(crate) async fn events(&self, id: &str) -> Result<Vec<(String, i16)>> {
        let mut sql = self.sql().await?;
        let query = sqlx::query_as(
            "SELECT type, lane FROM activities.outbox WHERE record_id = $1 ORDER BY lane, seq",
        );
        Ok(query.bind(Uuid::try_parse(id)?).fetch_all(&mut sql).await?)
    }
}

impl Caller {
    pub(crate) async fn create(&self, note: pb::Note) -> Result<pb::Note, Refusal> {
        let request = pb::CreateNoteRequest { note: Some(note) };
        Ok(self.service.create_note(self.request(request, &[])).await?.into_inner().note.unwrap())
    }

    pub(crate) async fn get(&self, id: &str) -> Result<pb::Note, Refusal> {
        let request = pb::GetNoteRequest { id: id.to_owned(), ..Default::default() };
        Ok(self.service.get_note(self.request(request, &[])).await?.into_inner().note.unwrap())
    }

    /// Changes the members in `paths`.
    pub(crate) async fn update(&self, id: &str, note: pb::Note, paths: &[&str]) -> Result<pb::Note, Refusal> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let update_mask = Some(prost_types::FieldMask { paths });
        let request = pb::UpdateNoteRequest { id: id.to_owned(), note: Some(note), update_mask };
        Ok(self.service.update_note(self.request(request, &[])).await?.into_inner().note.unwrap())
    }

    pub(crate) async fn delete(&self, id: &str) -> Result<(), Refusal> {
        self.service.delete_note(self.request(pb::DeleteNoteRequest { id: id.to_owned() }, &[])).await?;
        Ok(())
    }

    /// The ids of the notes that a filter finds.
    pub(crate) async fn found(&self, filter: &str) -> Result<Vec<String>, Refusal> {
        let request = pb::ListNotesRequest { filter: filter.to_owned(), ..Default::default() };
        let listed = self.service.list_notes(self.request(request, &[])).await?.into_inner();
        Ok(listed.notes.into_iter().map(|note| note.id).collect())
    }
}

/// A note about some records.
pub(crate) fn about(links: &[(&str, &str)]) -> pb::Note {
    let links = links.iter().map(|(object, id)| pb::NoteLink {
        object: (*object).to_owned(),
        id: (*id).to_owned(),
        deleted: false,
    });
    pb::Note { body: Some("Called; *likes* it.".to_owned()), links: links.collect(), ..Default::default() }
}

/// Whether each link is of a deleted record, by the record's id.
pub(crate) fn states(note: &pb::Note) -> BTreeMap<&str, bool> {
    note.links.iter().map(|link| (link.id.as_str(), link.deleted)).collect()
}
