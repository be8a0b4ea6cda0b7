//! A pipeline service with its database, roles that the test decides, and the calls of it that tests make.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use events::Event;
use ids::{Clock, RoleId};
use pipeline::{App, Service};
use prost_types::FieldMask;
use proto::pipeline::v1 as pb;
use proto::pipeline::v1::pipeline_service_server::PipelineService;
use record::Env;
use record::definitions::Definitions;
use record::reference::References;

use tokio::sync::Notify;

use super::uploads::Uploads;
use crate::database::Database;
pub(crate) use crate::world::{ALL, Known, May, Refusal};
use crate::world::{Ground, TestGate, definitions, done};

pub(crate) type Caller = crate::world::Caller<Service>;

/// One service, with what is around it.
pub(crate) struct World {
    served: crate::world::World<Service>,
    /// The roles of every tenant.
    pub(crate) roles: Arc<Mutex<BTreeSet<RoleId>>>,
    /// Contacts, companies, users and teams of every tenant.
    pub(crate) people: Known,
    /// Moves the clock.
    pub(crate) time: ids::FixedClock,
    /// Notified when something was published.
    pub(crate) published: Arc<Notify>,
    /// What bulk operations work with.
    pub(super) bulk: bulk::Bulk,
    /// What imports work with, and what they read.
    pub(super) imports: imports::Imports,
    pub(crate) uploads: Uploads,
}

impl Deref for World {
    type Target = crate::world::World<Service>;

    fn deref(&self) -> &Self::Target {
        &self.served
    }
}

impl World {
    pub(crate) async fn new() -> Result<Self> {
        Self::on(Database::shared(pipeline::MIGRATIONS).await?)
    }

    /// A service on a database.
    pub(crate) fn on(database: Database) -> Result<Self> {
        let (clock, time) = Clock::fixed(time::OffsetDateTime::now_utc());
        let ground = Ground::on(database, "pipeline", clock)?;
        let gates = TestGate::new(&ground.clock)?;
        let roles: Arc<Mutex<BTreeSet<RoleId>>> = Arc::default();
        let known = roles.clone();
        let (people, set) = (Known::default(), definitions::field_set());
        let env = Env {
            role: fleet::Role::Pipeline,
            objects: pipeline::OBJECTS,
            db: ground.db.clone(),
            clock: ground.clock.clone(),
            wake: events::Wake::default(),
            cursor_key: query::CursorKey::new(&"a-key-for-page-tokens-of-the-tests".into())?,
            region: None,
            definitions: Definitions::new(Arc::new(move |_, _, _| {
                let set = set.clone();
                Box::pin(async move { Ok(set) })
            })),
            references: References::to_people(people.ask())
                .named_by(people.ask_names())
                .and_to(pipeline::PEER_OBJECTS, people.ask())
                .named_by(people.ask_names()),
        };
        let published: Arc<Notify> = Arc::default();
        let operations = pipeline::operations(&env, ground.worker()?);
        let (gate, service_token) = (gates.gate.clone(), gates.acts_for("pipeline"));
        let acting = operations::Acting { gate, service_token };
        let bulk = pipeline::bulk(&env, &operations, operations::Quota::default(), acting.clone());
        let uploads = Uploads::default();
        let peers = pipeline::Peers {
            users: Arc::new(|_, _| Box::pin(async { Ok(Vec::new()) })),
            records: uploads.find(),
            uploads: Arc::new(uploads.clone()),
        };
        let quota = operations::Quota::default();
        let imports = pipeline::imports(&env, &operations, (quota, acting), peers);
        let app = App {
            operations,
            bulk: bulk.clone(),
            imports: imports.clone(),
            published: published.clone(),
            gate: gates.gate.clone(),
            env,
            roles: Arc::new(move |_, asked| {
                let known = known.clone();
                Box::pin(async move {
                    let known = known.lock().unwrap();
                    Ok(asked.into_iter().filter(|role| !known.contains(role)).collect())
                })
            }),
        };
        let served = crate::world::World::on(ground, gates, Service::new(app));
        Ok(Self { served, roles, people, time, published, bulk, imports, uploads })
    }

    /// Moves deals out of retired stages until nothing is left for now. The job sees every tenant of the database.
    pub(crate) async fn map(&self) -> Result<()> {
        let mapping = self.mapping()?;
        while mapping.round().await? {}
        Ok(())
    }

    pub(crate) fn mapping(&self) -> Result<pipeline::Mapping> {
        Ok(pipeline::Mapping {
            db: self.db.clone(),
            worker: self.worker()?,
            clock: self.clock.clone(),
            wake: events::Wake::default(),
            published: self.published.clone(),
        })
    }

    /// The events of a caller's tenant, in their order: verb and changes.
    pub(crate) async fn events(&self, who: &Caller) -> Result<Vec<Event>> {
        let envelopes: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT envelope FROM pipeline.outbox WHERE tenant_id = $1 ORDER BY seq")
                .bind(who.tenant.uuid())
                .fetch_all(&mut self.sql().await?)
                .await?;
        Ok(envelopes.iter().map(|bytes| Event::decode(bytes)).collect::<Result<_, _>>()?)
    }
}

impl Caller {
    pub(crate) async fn create(&self, request: pb::CreatePipelineRequest) -> Result<pb::Pipeline, Refusal> {
        let request = self.request(request, &[]);
        Ok(done(self.service.create_pipeline(request).await)?.pipeline.unwrap())
    }

    /// A pipeline of the document of [`document`].
    pub(crate) async fn make(&self, name: &str) -> Result<pb::Pipeline, Refusal> {
        self.create(with(name, document())).await
    }

    pub(crate) async fn get(&self, id: &str) -> Result<pb::Pipeline, Refusal> {
        let request = self.request(pb::GetPipelineRequest { id: id.to_owned() }, &[]);
        Ok(done(self.service.get_pipeline(request).await)?.pipeline.unwrap())
    }

    pub(crate) async fn list(&self, state: pb::PipelineState) -> Result<Vec<pb::Pipeline>, Refusal> {
        let request = self.request(pb::ListPipelinesRequest { state: state.into() }, &[]);
        Ok(done(self.service.list_pipelines(request).await)?.pipelines)
    }

    /// Changes the members in `paths`.
    pub(crate) async fn update(
        &self,
        id: &str,
        pipeline: pb::Pipeline,
        paths: &[&str],
    ) -> Result<pb::Pipeline, Refusal> {
        let update_mask = Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() });
        let request = pb::UpdatePipelineRequest { id: id.to_owned(), pipeline: Some(pipeline), update_mask };
        Ok(done(self.service.update_pipeline(self.request(request, &[])).await)?.pipeline.unwrap())
    }

    pub(crate) async fn make_default(&self, id: &str) -> Result<pb::Pipeline, Refusal> {
        self.update(id, pb::Pipeline { is_default: Some(true), ..Default::default() }, &["is_default"]).await
    }

    pub(crate) async fn archive(&self, id: &str) -> Result<pb::Pipeline, Refusal> {
        let request = self.request(pb::ArchivePipelineRequest { id: id.to_owned() }, &[]);
        Ok(done(self.service.archive_pipeline(request).await)?.pipeline.unwrap())
    }

    pub(crate) async fn restore(&self, id: &str) -> Result<pb::Pipeline, Refusal> {
        let request = self.request(pb::RestorePipelineRequest { id: id.to_owned() }, &[]);
        Ok(done(self.service.restore_pipeline(request).await)?.pipeline.unwrap())
    }

    pub(crate) async fn draft(&self, id: &str) -> Result<pb::Draft, Refusal> {
        let request = self.request(pb::GetDraftRequest { id: id.to_owned() }, &[]);
        Ok(done(self.service.get_draft(request).await)?.draft.unwrap())
    }

    /// Replaces the draft, on the condition that the pipeline has this version.
    pub(crate) async fn put_at(
        &self,
        id: &str,
        document: pb::Document,
        version: i64,
    ) -> Result<pb::Draft, Refusal> {
        let pb::Document { stages, rules, transitions } = document;
        let draft = Some(pb::Draft { stages, rules, transitions, problems: Vec::new() });
        let condition = format!("\"{version}\"");
        let conditions = [("if-match", condition.as_str())];
        let conditions = if version == 0 { &[][..] } else { &conditions[..] };
        let request = self.request(pb::PutDraftRequest { id: id.to_owned(), draft }, conditions);
        Ok(done(self.service.put_draft(request).await)?.draft.unwrap())
    }

    pub(crate) async fn put(&self, id: &str, document: pb::Document) -> Result<pb::Draft, Refusal> {
        self.put_at(id, document, 0).await
    }

    pub(crate) async fn delete_draft(&self, id: &str) -> Result<(), Refusal> {
        let request = self.request(pb::DeleteDraftRequest { id: id.to_owned() }, &[]);
        done(self.service.delete_draft(request).await).map(drop)
    }

    pub(crate) async fn publish(&self, request: pb::PublishPipelineRequest) -> Result<pb::Pipeline, Refusal> {
        self.publish_once(request, &[]).await
    }

    pub(crate) async fn publish_once(
        &self,
        request: pb::PublishPipelineRequest,
        headers: &[(&'static str, &str)],
    ) -> Result<pb::Pipeline, Refusal> {
        let request = self.request(request, headers);
        Ok(done(self.service.publish_pipeline(request).await)?.pipeline.unwrap())
    }

    pub(crate) async fn impact(&self, id: &str) -> Result<pb::GetImpactResponse, Refusal> {
        let request = self.request(pb::GetImpactRequest { id: id.to_owned() }, &[]);
        done(self.service.get_impact(request).await)
    }

    pub(crate) async fn versions(
        &self,
        id: &str,
        page_size: Option<i32>,
        page_token: &str,
    ) -> Result<pb::ListPipelineVersionsResponse, Refusal> {
        let request = pb::ListPipelineVersionsRequest {
            id: id.to_owned(),
            page_size,
            page_token: page_token.to_owned(),
        };
        done(self.service.list_pipeline_versions(self.request(request, &[])).await)
    }
}

impl Caller {
    pub(crate) async fn create_deal(&self, deal: pb::Deal) -> Result<pb::Deal, Refusal> {
        let request = self.request(pb::CreateDealRequest { deal: Some(deal) }, &[]);
        Ok(done(self.service.create_deal(request).await)?.deal.unwrap())
    }

    pub(crate) async fn list_deals(
        &self,
        request: pb::ListDealsRequest,
    ) -> Result<pb::ListDealsResponse, Refusal> {
        done(self.service.list_deals(self.request(request, &[])).await)
    }

    pub(crate) async fn deal(&self, id: &str) -> Result<pb::Deal, Refusal> {
        let request = pb::GetDealRequest { id: id.to_owned(), ..Default::default() };
        Ok(done(self.service.get_deal(self.request(request, &[])).await)?.deal.unwrap())
    }

    /// Changes the members in `paths`.
    pub(crate) async fn change_deal(
        &self,
        id: &str,
        deal: pb::Deal,
        paths: &[&str],
    ) -> Result<pb::Deal, Refusal> {
        let update_mask = Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() });
        let request = pb::UpdateDealRequest { id: id.to_owned(), deal: Some(deal), update_mask };
        Ok(done(self.service.update_deal(self.request(request, &[])).await)?.deal.unwrap())
    }

    pub(crate) async fn delete_deal(&self, id: &str) -> Result<(), Refusal> {
        let request = self.request(pb::DeleteDealRequest { id: id.to_owned() }, &[]);
        done(self.service.delete_deal(request).await).map(drop)
    }

    pub(crate) async fn restore_deal(&self, id: &str) -> Result<pb::Deal, Refusal> {
        let request = self.request(pb::RestoreDealRequest { id: id.to_owned() }, &[]);
        Ok(done(self.service.restore_deal(request).await)?.deal.unwrap())
    }

    pub(crate) async fn move_deal(&self, request: pb::MoveDealRequest) -> Result<pb::Deal, Refusal> {
        Ok(done(self.service.move_deal(self.request(request, &[])).await)?.deal.unwrap())
    }

    pub(crate) async fn change_pipeline(
        &self,
        request: pb::ChangeDealPipelineRequest,
    ) -> Result<pb::Deal, Refusal> {
        Ok(done(self.service.change_deal_pipeline(self.request(request, &[])).await)?.deal.unwrap())
    }

    pub(crate) async fn board(
        &self,
        request: pb::GetDealBoardRequest,
    ) -> Result<Vec<pb::BoardColumn>, Refusal> {
        Ok(done(self.service.get_deal_board(self.request(request, &[])).await)?.columns)
    }

    pub(crate) async fn history(&self, id: &str) -> Result<Vec<pb::StageEntry>, Refusal> {
        let request = self.request(pb::GetStageHistoryRequest { id: id.to_owned() }, &[]);
        Ok(done(self.service.get_stage_history(request).await)?.entries)
    }
}

/// What all reports are asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) pipeline_id: Option<String>,
    pub(crate) filter: String,
    pub(crate) as_of: Option<time::OffsetDateTime>,
    pub(crate) from: String,
    pub(crate) to: String,
}

impl Asked {
    /// Of a pipeline.
    pub(crate) fn of(pipeline: &pb::Pipeline) -> Self {
        Self { pipeline_id: Some(pipeline.id.clone()), ..Self::default() }
    }
}

macro_rules! request {
    ($request:ident, $asked:expr) => {{
        let Asked { pipeline_id, filter, as_of, from, to } = $asked.clone();
        pb::$request {
            pipeline_id,
            filter,
            as_of: as_of.map(proto::timestamp),
            from,
            to,
            ..Default::default()
        }
    }};
}

#[allow(clippy::needless_update, reason = "one of the four has one member more")]
impl Caller {
    pub(crate) async fn funnel(&self, asked: &Asked) -> Result<pb::GetFunnelResponse, Refusal> {
        let request = self.request(request!(GetFunnelRequest, asked), &[]);
        done(self.service.get_funnel(request).await)
    }

    pub(crate) async fn forecast(
        &self,
        asked: &Asked,
        period: pb::ForecastPeriod,
    ) -> Result<Vec<pb::Forecast>, Refusal> {
        let request = pb::GetForecastRequest { period: period.into(), ..request!(GetForecastRequest, asked) };
        Ok(done(self.service.get_forecast(self.request(request, &[])).await)?.periods)
    }

    pub(crate) async fn velocity(&self, asked: &Asked) -> Result<pb::GetVelocityResponse, Refusal> {
        let request = self.request(request!(GetVelocityRequest, asked), &[]);
        done(self.service.get_velocity(request).await)
    }

    pub(crate) async fn win_loss(&self, asked: &Asked) -> Result<pb::GetWinLossResponse, Refusal> {
        let request = self.request(request!(GetWinLossRequest, asked), &[]);
        done(self.service.get_win_loss(request).await)
    }
}

pub(crate) fn publication(id: &str) -> pb::PublishPipelineRequest {
    pb::PublishPipelineRequest { id: id.to_owned(), ..Default::default() }
}

pub(crate) fn with(name: &str, document: pb::Document) -> pb::CreatePipelineRequest {
    pb::CreatePipelineRequest { name: name.to_owned(), template: None, document: Some(document) }
}

pub(crate) fn stage(key: &str, kind: pb::StageKind, probability: i32) -> pb::Stage {
    let (key, name) = (key.to_owned(), key.to_uppercase());
    pb::Stage { key, name, kind: kind.into(), probability: Some(probability), ..Default::default() }
}

/// Two open stages, a won and a lost one.
pub(crate) fn document() -> pb::Document {
    let stages = vec![
        stage("new", pb::StageKind::Open, 10),
        stage("demo", pb::StageKind::Open, 50),
        stage("won", pb::StageKind::Won, 100),
        stage("lost", pb::StageKind::Lost, 0),
    ];
    let rules = pb::Rules {
        moves: pb::MovePolicy::Any.into(),
        allow_skipping: Some(true),
        allow_backwards: Some(false),
    };
    pb::Document { stages, rules: Some(rules), transitions: Vec::new() }
}

pub(crate) fn named(name: &str) -> pb::Deal {
    pb::Deal { name: Some(name.to_owned()), ..Default::default() }
}

/// The id of the stage of a key.
pub(crate) fn stage_id<'p>(pipeline: &'p pb::Pipeline, key: &str) -> &'p str {
    &pipeline.stages.iter().find(|stage| stage.key == key).unwrap().id
}

/// The keys of stages, in their order.
pub(crate) fn keys(stages: &[pb::Stage]) -> Vec<&str> {
    stages.iter().map(|stage| stage.key.as_str()).collect()
}
