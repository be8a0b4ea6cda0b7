//! Pipelines: one file per operation, all SQL in `store`.

mod convert;
mod store;

pub(crate) mod archive;
pub(crate) mod create;
pub(crate) mod draft;
pub(crate) mod first;
pub(crate) mod get;
pub(crate) mod impact;
pub(crate) mod list;
pub(crate) mod publish;
pub(crate) mod restore;
pub(crate) mod templates;
pub(crate) mod update;
pub(crate) mod versions;

use std::collections::BTreeMap;

use auth::Context;
use db::{DbError, TenantTx};
use error::{Code, Error, Reason, Violation};
use events::{Change, Lane, NewEvent};
use ids::Clock;
use input::Violations;
use proto::pipeline::v1 as pb;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::app::App;
use crate::deals::DEAL;
use crate::document::{Document, Stage, problems};
use crate::fields::is_field;

/// Most pipelines of a tenant, archived ones included: lists show all of them.
pub(crate) const MAX_PIPELINES: i64 = 50;
/// Most versions of a pipeline that are yet to come into force.
pub(crate) const MAX_SCHEDULED: i64 = 20;

/// Most retired stages of a pipeline in a report.
const MAX_RETIRED: i64 = 200;

/// How often the default pipeline is looked for.
const MOST_LOOKS: usize = 10;

/// Whether deals go into a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Active,
    /// No deal is created in it any more.
    Archived,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Archived => "archived",
        }
    }
}

/// A pipeline as it is stored, without its versions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pipeline {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) name: String,
    pub(crate) is_default: bool,
    pub(crate) state: State,
    /// The document that is being edited; `None` where it is the one published last.
    pub(crate) draft: Option<Document>,
    /// The number of the version published last, which may not be in force yet.
    pub(crate) last_number: i32,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) created_by: Uuid,
    pub(crate) updated_at: OffsetDateTime,
    pub(crate) updated_by: Uuid,
}

/// Something published.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) number: i32,
    pub(crate) effective_at: OffsetDateTime,
    pub(crate) published_at: OffsetDateTime,
    pub(crate) published_by: Uuid,
    pub(crate) note: Option<String>,
    pub(crate) document: Document,
    pub(crate) stage_mapping: BTreeMap<String, String>,
}

/// A pipeline with what is in force and what comes next.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    pub(crate) pipeline: Pipeline,
    pub(crate) in_force: Version,
    pub(crate) next: Option<(i32, OffsetDateTime)>,
    /// The ids of stages, by their keys.
    pub(crate) stage_ids: BTreeMap<String, Uuid>,
}

/// 404 of a malformed, random and foreign id alike.
fn not_found() -> Error {
    Error::not_found(Reason::PIPELINE_NOT_FOUND)
}

fn parse_id(id: &str) -> error::Result<Uuid> {
    input::id(id).map_err(|_| not_found())
}

/// The pipeline of an id.
async fn find(tx: &mut TenantTx, id: &str) -> error::Result<Pipeline> {
    store::find(tx, parse_id(id)?).await?.ok_or_else(not_found)
}

/// The pipeline with its versions at a moment.
async fn whole(tx: &mut TenantTx, pipeline: Pipeline, now: OffsetDateTime) -> error::Result<Whole> {
    let found = store::whole(tx, vec![pipeline], now).await?;
    found.into_iter().next().ok_or_else(no_version)
}

/// Every pipeline has a first version.
fn no_version() -> Error {
    Error::internal("a pipeline has no version in force")
}

/// The pipeline of an id, or the default one, with what is in force. `is_held`: nobody publishes or archives it until the transaction ends.
pub(crate) async fn for_deal(
    tx: &mut TenantTx,
    id: Option<Uuid>,
    is_held: bool,
    now: OffsetDateTime,
) -> error::Result<Option<Whole>> {
    if !is_held {
        return Ok(store::find_whole(tx, id, now).await?);
    }
    let found = match id {
        Some(id) => store::hold(tx, id).await?,
        None => held_default(tx).await?,
    };
    match found {
        // What was published while the caller waited to hold it is in force for that caller, too.
        Some(found) => {
            let now = now.max(found.updated_at);
            whole(tx, found, now).await.map(Some)
        }
        None => Ok(None),
    }
}

/// The pipeline of an id that was sent, or the default one, with what was in force at a moment.
pub(crate) async fn asked_for(
    app: &App,
    cx: &Context,
    id: Option<&str>,
    at: OffsetDateTime,
) -> error::Result<Whole> {
    let id = id.map(parse_id).transpose()?;
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let mut found = store::find_whole(&mut tx, id, at).await?;
    if found.is_none() && id.is_none() {
        // The event of the sign-up may be late.
        first::ensure(&mut tx, By::caller(app, cx)).await?;
        found = store::find_whole(&mut tx, None, at).await?;
    }
    tx.commit().await?;
    found.ok_or_else(not_found)
}

/// The default pipeline, held. Where another becomes it meanwhile, the first look waits for the old one and does not see the new one yet.
async fn held_default(tx: &mut TenantTx) -> Result<Option<Pipeline>, DbError> {
    for _ in 0..MOST_LOOKS {
        if let Some(found) = store::hold_default(tx).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Stages that the versions in force do not have, as the last ones showed them that had them.
pub(crate) async fn retired_stages(
    tx: &mut TenantTx,
    stages: &[Uuid],
    now: OffsetDateTime,
) -> error::Result<Vec<pb::Stage>> {
    let found = store::retired(tx, stages, now).await?;
    Ok(found.iter().map(|(id, stage)| convert::stage(stage, Some(*id))).collect())
}

/// Stages of a pipeline that its version in force at a moment does not have, as the last ones show them that had them: those of the newest versions
/// first, each with the keys of those before it.
pub(crate) async fn stages_before(
    app: &App,
    cx: &Context,
    whole: &Whole,
    at: OffsetDateTime,
) -> error::Result<Vec<(pb::Stage, Vec<String>)>> {
    let keys = whole.in_force.document.stages.iter().map(|stage| &stage.key);
    let in_force: Vec<Uuid> = keys.filter_map(|key| whole.stage_ids.get(key).copied()).collect();
    if in_force.len() == whole.stage_ids.len() {
        return Ok(Vec::new());
    }
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let found = store::stages_before(&mut tx, whole.pipeline.id, &in_force, at, MAX_RETIRED).await?;
    tx.commit().await?;
    let shown = |(id, stage, before): (Uuid, Stage, Vec<String>)| (convert::stage(&stage, Some(id)), before);
    Ok(found.into_iter().map(shown).collect())
}

/// The stages of a pipeline's version in force.
pub(crate) fn shown_stages(whole: &Whole) -> Vec<pb::Stage> {
    convert::stages(&whole.in_force.document, &whole.stage_ids)
}

/// All pipelines with what is in force; the first one is made if there is none yet.
pub(crate) async fn every(tx: &mut TenantTx, by: By<'_>) -> error::Result<Vec<Whole>> {
    let now = by.now;
    let mut found = store::list(tx, None).await?;
    if found.is_empty() {
        first::ensure(tx, by).await?;
        found = store::list(tx, None).await?;
    }
    store::whole(tx, found, now).await
}

/// The pipelines of these ids with what is in force.
pub(crate) async fn all_of(
    tx: &mut TenantTx,
    ids: Vec<Uuid>,
    now: OffsetDateTime,
) -> error::Result<Vec<Whole>> {
    let found = store::find_all(tx, &ids).await?;
    store::whole(tx, found, now).await
}

/// Begins a change: fence, the lock of the tenant's pipelines, the pipeline as it stands, `If-Match`.
async fn begin_change(tx: &mut TenantTx, cx: &Context, id: &str) -> error::Result<Pipeline> {
    db::fence::check(tx, cx).await?;
    to_change(tx, cx, id).await
}

/// The same behind the fence.
async fn to_change(tx: &mut TenantTx, cx: &Context, id: &str) -> error::Result<Pipeline> {
    let id = parse_id(id)?;
    store::lock(tx).await?;
    // Deals that are on their way into it are waited for: what is seen of them from here on stays.
    let found = store::lock_one(tx, id).await?.ok_or_else(not_found)?;
    cx.check_version(found.version)?;
    Ok(found)
}

/// Who changes, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct By<'a> {
    pub(crate) clock: &'a Clock,
    pub(crate) actor: Uuid,
    pub(crate) now: OffsetDateTime,
}

impl<'a> By<'a> {
    fn caller(app: &'a App, cx: &Context) -> Self {
        Self { clock: &app.env.clock, actor: cx.principal.id, now: app.env.clock.now_micros() }
    }
}

/// Writes a change and its event; gives the pipeline in its next version.
async fn save(
    tx: &mut TenantTx,
    by: By<'_>,
    verb: &'static str,
    before: &Pipeline,
    after: Pipeline,
) -> error::Result<Pipeline> {
    save_with(tx, by, verb, before, after, Vec::new()).await
}

/// As [`save`]; the event also says what is new and not in the pipeline itself.
async fn save_with(
    tx: &mut TenantTx,
    by: By<'_>,
    verb: &'static str,
    before: &Pipeline,
    after: Pipeline,
    more: Vec<(&'static str, Value)>,
) -> error::Result<Pipeline> {
    let after = Pipeline { version: before.version + 1, updated_at: by.now, updated_by: by.actor, ..after };
    store::update(tx, &after).await?;
    let mut event = event(by, verb, Some(before), &after);
    let more = more.into_iter().map(|(field, value)| (field.to_owned(), Some(value.to_string())));
    event.changes.extend(more.map(|(field, after)| Change { field, before: None, after }));
    events::outbox::append(tx, &event).await?;
    Ok(after)
}

/// What the change of an active pipeline must find.
fn check_active(pipeline: &Pipeline) -> error::Result<()> {
    if pipeline.state == State::Active {
        return Ok(());
    }
    Err(Error::new(Code::FailedPrecondition, Reason::PIPELINE_ARCHIVED, "the pipeline is archived"))
}

/// What a document names that does not exist: roles, and custom fields.
#[derive(Debug, Default)]
struct Unknown {
    roles: Vec<Uuid>,
    fields: Vec<String>,
}

impl Unknown {
    /// Other services are asked, so no transaction is open.
    async fn of(app: &App, cx: &Context, document: &Document) -> error::Result<Self> {
        let mut unknown = Self::default();
        let mut roles: Vec<_> = document.roles().map(Into::into).collect();
        roles.sort_unstable();
        roles.dedup();
        if !roles.is_empty() {
            unknown.roles =
                (app.roles)(cx.clone(), roles).await?.into_iter().map(|role| role.uuid()).collect();
        }
        let named: Vec<(&str, &str)> = document.custom_fields().collect();
        if !named.is_empty() {
            let keys = named.iter().map(|(_, key)| *key);
            let set = app.env.definitions.for_keys(cx, &DEAL, keys).await?;
            let missing = named.iter().filter(|(_, key)| set.usable(key).is_none());
            unknown.fields = missing.map(|(name, _)| (*name).to_owned()).collect();
        }
        Ok(unknown)
    }
}

/// What keeps a document from being published, with pointers into it.
fn check(document: &Document, unknown: &Unknown) -> Violations {
    let is_field = |name: &str| is_field(name) && !unknown.fields.iter().any(|other| other == name);
    let mut found = problems(document, &is_field);
    for (n, transition) in document.transitions.iter().enumerate() {
        for (r, _) in transition.role_ids.iter().enumerate().filter(|(_, role)| unknown.roles.contains(role))
        {
            found.push(Violation::reference_not_found(format!("/transitions/{n}/role_ids/{r}")));
        }
    }
    found
}

/// A stage keeps its kind, as its deals are open, won or lost by it: another kind is another key.
async fn changed_kinds(
    tx: &mut TenantTx,
    pipeline: &Pipeline,
    document: &Document,
) -> error::Result<Vec<Violation>> {
    let known = store::kinds(tx, pipeline.id).await?;
    let changed = document.stages.iter().enumerate().filter(|(_, stage)| {
        let was = known.iter().find(|(key, _)| *key == stage.key);
        was.zip(stage.kind).is_some_and(|((_, was), kind)| was != kind.as_str())
    });
    let text = "a stage keeps its kind: give the stage of the other kind another key";
    let note = |(n, _)| Violation::new(format!("/stages/{n}/kind"), Reason::STAGE_KIND_CHANGED, text);
    Ok(changed.map(note).collect())
}

/// What others are told of a pipeline.
fn facts(pipeline: &Pipeline) -> [(&'static str, Value); 4] {
    [
        ("name", json!(pipeline.name)),
        ("is_default", json!(pipeline.is_default)),
        ("state", json!(pipeline.state.as_str())),
        ("published_version", json!(pipeline.last_number)),
    ]
}

/// The event of a change.
fn event(by: By<'_>, verb: &'static str, before: Option<&Pipeline>, after: &Pipeline) -> NewEvent {
    let old = before.map(facts);
    let changes = facts(after).into_iter().enumerate().filter_map(|(n, (field, value))| {
        let before = old.as_ref().map(|old| old[n].1.to_string());
        let after = value.to_string();
        (before.as_ref() != Some(&after)).then(|| Change {
            field: field.to_owned(),
            before,
            after: Some(after),
        })
    });
    NewEvent {
        id: by.clock.new_uuid(),
        service: "pipeline",
        object: "pipeline",
        verb,
        record_id: after.id,
        version: after.version,
        actor: by.actor,
        owner: None,
        team: None,
        changes: changes.collect(),
        lane: Lane::Interactive,
        traceparent: host::trace::current_traceparent(),
        time: by.now,
    }
}

/// The answer about a pipeline.
async fn shown(tx: &mut TenantTx, pipeline: Pipeline, now: OffsetDateTime) -> error::Result<pb::Pipeline> {
    Ok(convert::to_wire(&whole(tx, pipeline, now).await?))
}
