//! What a pipeline demands of its deals. Every write of one passes here, whichever way it comes: this is the one function that decides a
//! change of stage.

use db::TenantTx;
use error::{Code, Error, Reason, Violation};
use events::NewEvent;
use input::{Violations, pointer};
use proto::common::v1::{AllowedStage, AllowedStagesDetail};
use record::Record;
use record::prepare::{Guard, Path, Plan, Write};
use serde_json::Value;
use uuid::Uuid;

use super::place::{Place, entered_at, has, id, kind_of, number, put, set_probability, text};
use super::store::{self, Entry};
use crate::document::{Document, Forbidden, Kind, Stage, Transition, possible};
use crate::pipelines::{By, State, Whole, first, for_deal};

/// The guard of deals.
#[derive(Debug)]
pub(super) struct Stages;

#[tonic::async_trait]
impl Guard for Stages {
    async fn check(
        &self,
        tx: &mut TenantTx,
        write: &mut Write<'_>,
        violations: &mut Violations,
    ) -> Result<(), Error> {
        let Some(pipeline) = pipeline(tx, write, violations).await? else { return Ok(()) };
        match write.before.filter(|before| id(before, "pipeline_id") == Some(pipeline.pipeline.id)) {
            Some(before) if id(before, "stage_id") == id(write.after, "stage_id") => {
                stay(before, write, &pipeline, violations);
                Ok(())
            }
            Some(before) => go(before, write, &pipeline, violations),
            None => {
                enter(write, &pipeline, violations);
                Ok(())
            }
        }
    }

    async fn stored(
        &self,
        tx: &mut TenantTx,
        plan: &Plan<'_>,
        before: Option<&Record>,
        after: &Record,
    ) -> Result<Vec<NewEvent>, Error> {
        let stands = |record: &Record| (id(record, "pipeline_id"), id(record, "stage_id"));
        if before.map(stands) == Some(stands(after)) {
            return Ok(Vec::new());
        }
        let source = match plan.path {
            Path::Create => "create",
            Path::Import => "import",
            Path::Move => "move",
            Path::Transfer => "change_pipeline",
            _ if before.is_some_and(|b| id(b, "pipeline_id") != id(after, "pipeline_id")) => {
                "change_pipeline"
            }
            _ => "update",
        };
        let (Some(pipeline_id), Some(stage_id)) = stands(after) else {
            return Err(Error::internal("a deal without a stage was stored"));
        };
        let entry = Entry {
            deal_id: after.id,
            pipeline_id,
            pipeline_version: number(after, "pipeline_version"),
            stage_id,
            entered_at: entered_at(after).unwrap_or(plan.author.now),
            actor_kind: plan.cx.principal.kind.name(),
            actor_id: plan.author.actor,
            reason: text(after, "stage_reason"),
            source,
        };
        store::enter(tx, &[entry]).await?;
        Ok(Vec::new())
    }
}

/// The pipeline that the deal will be in; held if the deal changes its stage.
async fn pipeline(
    tx: &mut TenantTx,
    write: &mut Write<'_>,
    violations: &mut Violations,
) -> Result<Option<Whole>, Error> {
    let author = write.plan.author;
    let wanted = id(write.after, "pipeline_id");
    let found = match (wanted, write.before) {
        (Some(wanted), before) => {
            let stage = id(write.after, "stage_id");
            let stays =
                before.is_some_and(|b| id(b, "pipeline_id") == Some(wanted) && id(b, "stage_id") == stage);
            for_deal(tx, Some(wanted), !stays, author.now).await?
        }
        (None, None) => {
            // The event of the sign-up may be late.
            first::ensure(tx, By { clock: &author.clock, actor: author.actor, now: author.now }).await?;
            for_deal(tx, None, true, author.now).await?
        }
        (None, Some(_)) => {
            violations.note("/pipeline_id", Reason::REQUIRED, "a deal is in a pipeline");
            return Ok(None);
        }
    };
    let Some(found) = found else {
        violations.push(Violation::reference_not_found("/pipeline_id"));
        return Ok(None);
    };
    let comes = write.before.is_none_or(|before| id(before, "pipeline_id") != Some(found.pipeline.id));
    if comes && found.pipeline.state == State::Archived {
        let text = "the pipeline is archived";
        return refuse(write, violations, "/pipeline_id", Reason::PIPELINE_ARCHIVED, text).map(|()| None);
    }
    Ok(Some(found))
}

/// A refusal as a whole; of a row of a file, at its field.
fn refuse(
    write: &Write<'_>,
    violations: &mut Violations,
    at: &str,
    reason: Reason,
    text: &'static str,
) -> Result<(), Error> {
    if write.plan.path == Path::Import {
        violations.note(at, reason, text);
        return Ok(());
    }
    Err(Error::new(Code::FailedPrecondition, reason, text))
}

/// A deal comes into a pipeline. Only what its stage requires is asked for.
fn enter(write: &mut Write<'_>, pipeline: &Whole, violations: &mut Violations) {
    let document = &pipeline.in_force.document;
    let was = write.before.and_then(|before| id(before, "stage_id"));
    let sent = id(write.after, "stage_id").filter(|sent| Some(*sent) != was);
    let stage = match sent {
        Some(sent) => stage_of(pipeline, sent),
        None => document.stages.first(),
    };
    let Some(stage) = stage else {
        violations.push(Violation::reference_not_found("/stage_id"));
        return;
    };
    check_fields(write, &stage.required_fields, violations);
    put(write.before, write.after, Place::in_force(pipeline, stage), write.plan.author.now);
}

/// A deal changes its stage within its pipeline.
fn go(
    before: &Record,
    write: &mut Write<'_>,
    pipeline: &Whole,
    violations: &mut Violations,
) -> Result<(), Error> {
    let document = &pipeline.in_force.document;
    let Some(wanted) = id(write.after, "stage_id") else {
        violations.note("/stage_id", Reason::REQUIRED, "a deal is in a stage");
        return Ok(());
    };
    let Some(stage) = stage_of(pipeline, wanted) else {
        violations.push(Violation::reference_not_found("/stage_id"));
        return Ok(());
    };
    let from = (text(before, "stage_key").unwrap_or_default(), kind_of(before));
    let roles = write.plan.cx.snapshot.roles();
    let conditions = match permitted(document, from, &stage.key, roles) {
        Ok(conditions) => conditions,
        Err(rule) if write.plan.path == Path::Import => {
            let text = format!("the pipeline does not permit this move: {rule}");
            violations.note("/stage_id", Reason::MOVE_NOT_ALLOWED, text);
            return Ok(());
        }
        Err(rule) => return Err(not_allowed(pipeline, from, &stage.key, rule, roles)),
    };
    let of_transitions = conditions.iter().flat_map(|transition| &transition.required_fields);
    let required: Vec<String> = stage.required_fields.iter().chain(of_transitions).cloned().collect();
    check_fields(write, &required, violations);
    let needs_reason = conditions.iter().any(|transition| transition.requires_reason);
    if needs_reason && text(write.after, "stage_reason").is_none() {
        violations.note("/stage_reason", Reason::REASON_REQUIRED, "this move needs a reason");
    }
    put(write.before, write.after, Place::in_force(pipeline, stage), write.plan.author.now);
    Ok(())
}

/// A deal stays where it is: what its stage requires is not taken away from it.
fn stay(before: &Record, write: &mut Write<'_>, pipeline: &Whole, violations: &mut Violations) {
    write.after.set("stage_reason", Value::Null);
    if let Some(stage) = id(before, "stage_id").and_then(|id| stage_of(pipeline, id)) {
        let had = stage.required_fields.iter().filter(|name| has(before, name)).cloned();
        check_fields(write, &had.collect::<Vec<_>>(), violations);
    }
    let kind = kind_of(before);
    // Of a retired stage nobody knows the probability any more: what it was stays.
    let of_stage = id(before, "stage_id")
        .and_then(|id| stage_of(pipeline, id))
        .and_then(|stage| stage.probability)
        .unwrap_or_else(|| number(before, "probability"));
    set_probability(write.before, write.after, kind, of_stage);
}

/// The transitions whose conditions hold for a move by somebody with these roles, or the rule that forbids it.
fn permitted<'d>(
    document: &'d Document,
    from: (&str, Kind),
    to: &str,
    roles: &[Uuid],
) -> Result<Vec<&'d Transition>, &'static str> {
    let conditions = possible(document, from, to).map_err(|forbidden| match forbidden {
        Forbidden::NotListed => "listed",
        Forbidden::Skipping => "allow_skipping",
        Forbidden::Backwards => "allow_backwards",
        Forbidden::Reopening => "reopening",
    })?;
    let is_bound = |t: &&&Transition| !t.role_ids.is_empty() && !t.role_ids.iter().any(|r| roles.contains(r));
    if conditions.iter().any(|transition| is_bound(&transition)) { Err("role_ids") } else { Ok(conditions) }
}

/// 409, with the stages that the deal could go to instead.
fn not_allowed(pipeline: &Whole, from: (&str, Kind), to: &str, rule: &str, roles: &[Uuid]) -> Error {
    let document = &pipeline.in_force.document;
    let others = document.stages.iter().filter(|stage| stage.key != from.0);
    let allowed = others.filter(|stage| permitted(document, from, &stage.key, roles).is_ok());
    let allowed = allowed.map(|stage| AllowedStage {
        stage_id: pipeline.stage_ids.get(&stage.key).map(Uuid::to_string).unwrap_or_default(),
        key: stage.key.clone(),
        name: stage.name.clone(),
    });
    let detail = AllowedStagesDetail { allowed: allowed.collect() };
    Error::new(Code::FailedPrecondition, Reason::MOVE_NOT_ALLOWED, "the pipeline does not permit this move")
        .with_metadata("from", from.0)
        .with_metadata("to", to)
        .with_metadata("rule", rule)
        .with_detail("globcrm.common.v1.AllowedStagesDetail", &detail)
}

/// Whoever may not see a field is told all the same that it is needed: the rule holds for everybody. Of a custom field that was archived
/// since, nobody can set a value.
fn check_fields(write: &Write<'_>, required: &[String], violations: &mut Violations) {
    let can_be_set =
        |name: &str| name.strip_prefix("custom.").is_none_or(|key| write.plan.set.usable(key).is_some());
    for name in required.iter().filter(|name| !has(write.after, name) && can_be_set(name)) {
        let at = pointer(name);
        // What was sent and is wrong is told already.
        if !violations.iter().any(|v| v.pointer.starts_with(&at)) {
            violations.note(at, Reason::REQUIRED_FOR_STAGE, "the stage requires a value");
        }
    }
}

/// The stage of the document in force that has an id.
fn stage_of(pipeline: &Whole, id: Uuid) -> Option<&Stage> {
    let key = pipeline.stage_ids.iter().find(|(_, known)| **known == id)?.0;
    pipeline.in_force.document.stage(key).map(|(_, stage)| stage)
}
