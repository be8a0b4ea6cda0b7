//! An activities service with its database, and records of the other services that the test decides.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use activities::{App, Service};
use anyhow::Result;
use config::SecretString;
use error::{Error, Reason};
use events::{Event, Handler};
use futures_util::FutureExt;
use ids::{Clock, TenantId};
use prost_types::FieldMask;
use proto::activities::v1 as pb;
use proto::activities::v1::activities_service_server::ActivitiesService;
use query::CursorKey;
use record::Env;
use record::definitions::Definitions;
use record::peer_records::{Listener, Reconciler};
use record::reference::References;
use secrecy::ExposeSecret;
use uuid::Uuid;

use crate::database::Database;
pub(crate) use crate::world::{ALL, Known, May, Refusal};
use crate::world::{Ground, TestGate, definitions, done};

pub(crate) type Caller = crate::world::Caller<Service>;

/// One service, with what is around it.
pub(crate) struct World {
    served: crate::world::World<Service>,
    pub(crate) known: Known,
    /// Whose calendar each token opens.
    feeds: Arc<Mutex<BTreeMap<String, (TenantId, Uuid)>>>,
    /// What bulk operations work with.
    pub(super) bulk: bulk::Bulk,
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
            references: References::to_people(known.ask())
                .named_by(known.ask_names())
                .and_to(&["contact", "company"], known.ask())
                .named_by(known.ask_names())
                .and_to(&["deal"], known.ask())
                .named_by(known.ask_names()),
        };
        let operations = activities::operations(&env, ground.worker()?);
        let (gate, service_token) = (gates.gate.clone(), gates.acts_for("activities"));
        let acting = operations::Acting { gate: gate.clone(), service_token: service_token.clone() };
        let bulk = activities::bulk(&env, &operations, operations::Quota::default(), acting);
        let feeds: Arc<Mutex<BTreeMap<String, (TenantId, Uuid)>>> = Arc::default();
        let open = feeds.clone();
        let app = App {
            gate,
            env,
            operations,
            bulk: bulk.clone(),
            service_token,
            calendar_owner: Arc::new(move |token| {
                let owner = open.lock().unwrap().get(token.expose_secret()).copied();
                let owner = owner.ok_or_else(|| Error::not_found(Reason::CALENDAR_FEED_NOT_FOUND));
                Box::pin(async move { owner })
            }),
        };
        let served = crate::world::World::on(ground, gates, Service::new(app));
        Ok(Self { served, known, feeds, bulk, time })
    }

    /// A token that opens the calendar of somebody.
    pub(crate) fn calendar_of(&self, who: &Caller) -> String {
        let token = format!("token-of-{}", who.id);
        self.feeds.lock().unwrap().insert(token.clone(), (who.tenant, who.id));
        token
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
            kind: format!("{}.{object}.{verb}.v1", if object == "deal" { "pipeline" } else { "records" }),
            tenant,
            object: object.to_owned(),
            record_id: Uuid::try_parse(id)?,
            version,
            actor,
            actor_kind: None,
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
        let delivery = events::Delivery { event, attempt: 1 };
        listener.handle(&mut tx, &delivery).await?;
        assert!(listener.heard.notified().now_or_never().is_none(), "the job would find nothing yet");
        tx.commit().await?;
        listener.committed(&delivery);
        let is_woken = listener.heard.notified().now_or_never().is_some();
        let is_told =
            activities::PEER_OBJECTS.contains(&object) && ["deleted", "restored", "purged"].contains(&verb);
        assert_eq!(is_woken, is_told, "{object} {verb}");
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

impl World {
    /// What the events of one verb, such as `note.mentioned`, say of a record, in their order.
    pub(crate) async fn told(&self, id: &str, verb: &str) -> Result<Vec<serde_json::Value>> {
        let query = "SELECT envelope FROM activities.outbox WHERE record_id = $1 AND type = $2 ORDER BY seq";
        let query =
            sqlx::query_scalar(query).bind(Uuid::try_parse(id)?).bind(format!("activities.{verb}.v1"));
        let envelopes: Vec<Vec<u8>> = query.fetch_all(&mut self.sql().await?).await?;
        let mut told = Vec::new();
        for envelope in envelopes {
            for change in Event::decode(&envelope)?.changes {
                told.push(serde_json::from_str(&change.after.unwrap_or_default())?);
            }
        }
        Ok(told)
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
        self.ordered(filter, "").await
    }

    /// The same in an order.
    pub(crate) async fn ordered(&self, filter: &str, order_by: &str) -> Result<Vec<String>, Refusal> {
        let (filter, order_by) = (filter.to_owned(), order_by.to_owned());
        let request = pb::ListNotesRequest { filter, order_by, ..Default::default() };
        let listed = self.service.list_notes(self.request(request, &[])).await?.into_inner();
        Ok(listed.notes.into_iter().map(|note| note.id).collect())
    }
}

impl Caller {
    pub(crate) async fn create_activity(&self, activity: pb::Activity) -> Result<pb::Activity, Refusal> {
        let request = pb::CreateActivityRequest { activity: Some(activity) };
        Ok(done(self.service.create_activity(self.request(request, &[])).await)?.activity.unwrap())
    }

    pub(crate) async fn activity(&self, id: &str) -> Result<pb::Activity, Refusal> {
        let request = pb::GetActivityRequest { id: id.to_owned(), ..Default::default() };
        Ok(done(self.service.get_activity(self.request(request, &[])).await)?.activity.unwrap())
    }

    /// Changes the members in `paths`.
    pub(crate) async fn change_activity(
        &self,
        id: &str,
        activity: pb::Activity,
        paths: &[&str],
    ) -> Result<pb::Activity, Refusal> {
        let update_mask = Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() });
        let request = pb::UpdateActivityRequest { id: id.to_owned(), activity: Some(activity), update_mask };
        Ok(done(self.service.update_activity(self.request(request, &[])).await)?.activity.unwrap())
    }

    pub(crate) async fn delete_activity(&self, id: &str) -> Result<(), Refusal> {
        let request = pb::DeleteActivityRequest { id: id.to_owned() };
        done(self.service.delete_activity(self.request(request, &[])).await).map(drop)
    }

    pub(crate) async fn restore_activity(&self, id: &str) -> Result<pb::Activity, Refusal> {
        let request = pb::RestoreActivityRequest { id: id.to_owned() };
        Ok(done(self.service.restore_activity(self.request(request, &[])).await)?.activity.unwrap())
    }

    pub(crate) async fn activities(
        &self,
        request: pb::ListActivitiesRequest,
    ) -> Result<pb::ListActivitiesResponse, Refusal> {
        done(self.service.list_activities(self.request(request, &[])).await)
    }

    /// The subjects of the activities that a filter finds, in an order.
    pub(crate) async fn subjects(&self, filter: &str, order_by: &str) -> Result<Vec<String>, Refusal> {
        let (filter, order_by) = (filter.to_owned(), order_by.to_owned());
        let listed =
            self.activities(pb::ListActivitiesRequest { filter, order_by, ..Default::default() }).await?;
        Ok(listed.activities.into_iter().map(|activity| activity.subject.unwrap_or_default()).collect())
    }

    pub(crate) async fn complete(
        &self,
        request: pb::CompleteActivityRequest,
    ) -> Result<pb::Activity, Refusal> {
        self.complete_if(request, &[]).await
    }

    pub(crate) async fn complete_if(
        &self,
        request: pb::CompleteActivityRequest,
        headers: &[(&'static str, &str)],
    ) -> Result<pb::Activity, Refusal> {
        let request = self.request(request, headers);
        Ok(done(self.service.complete_activity(request).await)?.activity.unwrap())
    }

    /// Lets an event happen, which says something in each of `members`.
    pub(crate) async fn happen(
        &self,
        id: &str,
        event: &str,
        members: &[&str],
    ) -> Result<pb::Activity, Refusal> {
        let id = id.to_owned();
        let text = |member: &str| members.contains(&member).then(|| "Said yes".to_owned());
        let answer = match event {
            "start" => {
                let request = self.request(pb::StartActivityRequest { id }, &[]);
                done(self.service.start_activity(request).await)?.activity
            }
            "complete" => {
                let duration_seconds = members.contains(&"duration_seconds").then_some(600);
                let outcome = text("outcome");
                let request =
                    pb::CompleteActivityRequest { id, outcome, duration_seconds, completed_at: None };
                Some(self.complete(request).await?)
            }
            "cancel" => {
                let request = self.request(pb::CancelActivityRequest { id, reason: text("reason") }, &[]);
                done(self.service.cancel_activity(request).await)?.activity
            }
            _ => {
                let request = self.request(pb::ReopenActivityRequest { id }, &[]);
                done(self.service.reopen_activity(request).await)?.activity
            }
        };
        Ok(answer.unwrap())
    }

    /// A page of the timeline of a record.
    pub(crate) async fn timeline(
        &self,
        object: &str,
        id: &str,
        types: &str,
        (page_size, page_token): (i32, &str),
    ) -> Result<(Vec<pb::TimelineEntry>, String), Refusal> {
        let (id, types, page_token) = (id.to_owned(), types.to_owned(), page_token.to_owned());
        let page_size = Some(page_size);
        match object {
            "contact" => {
                let request = pb::GetContactTimelineRequest { id, types, page_size, page_token };
                let page = done(self.service.get_contact_timeline(self.request(request, &[])).await)?;
                Ok((page.entries, page.next_page_token))
            }
            "company" => {
                let request = pb::GetCompanyTimelineRequest { id, types, page_size, page_token };
                let page = done(self.service.get_company_timeline(self.request(request, &[])).await)?;
                Ok((page.entries, page.next_page_token))
            }
            _ => {
                let request = pb::GetDealTimelineRequest { id, types, page_size, page_token };
                let page = done(self.service.get_deal_timeline(self.request(request, &[])).await)?;
                Ok((page.entries, page.next_page_token))
            }
        }
    }

    pub(crate) async fn machines(&self) -> Result<Vec<pb::StateMachine>, Refusal> {
        let request = self.request(pb::GetActivityStateMachinesRequest {}, &[]);
        Ok(done(self.service.get_activity_state_machines(request).await)?.machines)
    }
}

/// A task, a call or a meeting that is planned; a meeting from 10 to 11 of a day in 2026.
pub(crate) fn planned(kind: &str) -> pb::Activity {
    let of = pb::ActivityKind::from_str_name(&format!("ACTIVITY_KIND_{}", kind.to_uppercase())).unwrap();
    let is_meeting = kind == "meeting";
    let at = |text: &str| is_meeting.then(|| moment(text));
    pb::Activity {
        kind: Some(of.into()),
        subject: Some(format!("A {kind}")),
        starts_at: at("2026-05-05T10:00:00Z"),
        ends_at: at("2026-05-05T11:00:00Z"),
        ..Default::default()
    }
}

/// A moment of RFC 3339.
pub(crate) fn moment(text: &str) -> prost_types::Timestamp {
    proto::timestamp(field_types::moment::datetime(text).unwrap())
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
