//! What a pipeline demands of its deals. Every write of one passes here, whichever way it comes: this is the one function that decides a
//! change of stage.

use auth::Access;
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
use super::placing;
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
        if is_untouched(write) {
            write.after.set("stage_reason", Value::Null);
            return Ok(());
        }
        // Where it should go cannot be read.
        if violations.iter().any(|v| matches!(v.pointer.as_str(), "/pipeline_id" | "/stage_id")) {
            return Ok(());
        }
        let Some(pipeline) = pipeline(tx, write, violations).await? else { return Ok(()) };
        let before = write.before.filter(|before| id(before, "pipeline_id") == Some(pipeline.pipeline.id));
        match before {
            _ if matches!(write.plan.path, Path::Restore | Path::Link) => {}
            _ if write.plan.path == Path::Undo => back(write, &pipeline, violations)?,
            Some(before) if id(before, "stage_id") == id(write.after, "stage_id") => {
                stay(before, write, &pipeline, violations);
            }
            Some(before) => go(before, write, &pipeline, violations)?,
            None => enter(write, &pipeline, violations)?,
        }
        check_archived(write, &pipeline, violations)?;
        placing::place(tx, write, violations).await
    }

    async fn stored(
        &self,
        tx: &mut TenantTx,
        plan: &Plan<'_>,
        before: Option<&Record>,
        after: &Record,
    ) -> Result<Vec<NewEvent>, Error> {
        if before.map(stands) == Some(stands(after)) {
            return Ok(Vec::new());
        }
        let is_elsewhere = before.is_some_and(|before| id(before, "pipeline_id") != id(after, "pipeline_id"));
        let source = match plan.path {
            Path::Create => "create",
            Path::Import => "import",
            Path::Bulk | Path::Undo => "bulk",
            _ if is_elsewhere => "change_pipeline",
            Path::Move | Path::Transfer => "move",
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
            status: text(after, "status"),
            closed_at: text(after, "closed_at"),
            actor_kind: plan.cx.principal.kind.name(),
            actor_id: plan.author.actor,
            reason: text(after, "stage_reason"),
            source,
        };
        store::begin_stays(tx, &[entry]).await?;
        Ok(Vec::new())
    }
}

/// Where a deal stands.
fn stands(deal: &Record) -> (Option<Uuid>, Option<Uuid>) {
    (id(deal, "pipeline_id"), id(deal, "stage_id"))
}

/// Whether the deal stays where it is with every value that it had, or gets back what it had there: then no pipeline has a say. Most writes are such.
fn is_untouched(write: &Write<'_>) -> bool {
    let (Some(before), after) = (write.before, &*write.after) else { return false };
    if write.plan.path == Path::Restore || stands(before) != stands(after) {
        return false;
    }
    let asks = ["probability", "after_id", "before_id"];
    let kept = |name: &str| !has(before, name) || has(after, name);
    let keeps_all = || {
        !asks.into_iter().any(|name| was_sent(write, name))
            && before.fields.keys().all(|name| kept(name))
            && before.custom.keys().all(|key| kept(&format!("custom.{key}")))
    };
    write.plan.path == Path::Undo || keeps_all()
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
            let is_held = !stays || write.plan.path == Path::Restore;
            for_deal(tx, Some(wanted), is_held, author.now).await?
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
    Ok(Some(found))
}

/// In an archived pipeline no deal is opened, and none comes into it.
fn check_archived(write: &Write<'_>, pipeline: &Whole, violations: &mut Violations) -> Result<(), Error> {
    let was_there =
        write.before.is_some_and(|before| id(before, "pipeline_id") == Some(pipeline.pipeline.id));
    let was_open = write.before.is_some_and(|before| !before.is_deleted() && kind_of(before) == Kind::Open);
    let is_opened = kind_of(write.after) == Kind::Open && !was_open;
    if pipeline.pipeline.state == State::Active || (was_there && !is_opened) {
        return Ok(());
    }
    refuse(write, violations, "/pipeline_id", Reason::PIPELINE_ARCHIVED, "the pipeline is archived")
}

/// A refusal as a whole; of one of many, at its field.
fn refuse(
    write: &Write<'_>,
    violations: &mut Violations,
    at: &str,
    reason: Reason,
    text: &'static str,
) -> Result<(), Error> {
    if matches!(write.plan.path, Path::Import | Path::Bulk) {
        violations.note(at, reason, text);
        return Ok(());
    }
    Err(Error::new(Code::FailedPrecondition, reason, text))
}

/// A deal comes into a pipeline. Only what its stage requires is asked for; but one that comes from another stays open, won or lost: the rules
/// of how it becomes that are about moves.
fn enter(write: &mut Write<'_>, pipeline: &Whole, violations: &mut Violations) -> Result<(), Error> {
    let document = &pipeline.in_force.document;
    let is_named = write.before.is_none() || was_sent(write, "stage_id");
    let stage = match id(write.after, "stage_id").filter(|_| is_named) {
        Some(sent) => stage_of(pipeline, sent),
        None => document.stages.first(),
    };
    let Some(stage) = stage else {
        violations.push(Violation::reference_not_found("/stage_id"));
        return Ok(());
    };
    if let Some(before) = write.before {
        // It sets the stage, too.
        if write.plan.mask.access("stage_id") != Access::Edit {
            let text = "you may read, but not change stage_id, which follows the pipeline";
            if write.plan.path == Path::Import {
                violations.note("/pipeline_id", Reason::FIELD_READ_ONLY, text);
                return Ok(());
            }
            let refusal = Error::new(Code::PermissionDenied, Reason::FIELD_READ_ONLY, text);
            return Err(refusal.with_metadata("fields", "stage_id"));
        }
        let was = kind_of(before);
        if was != stage.kind_or_open() {
            let rule = if was == Kind::Open { "closing" } else { "reopening" };
            let is_possible = |other: &Stage| other.kind_or_open() == was;
            let from = text(before, "stage_key").unwrap_or_default();
            return forbid(write, pipeline, (from, &stage.key, rule), &is_possible, violations);
        }
    }
    check_fields(write, &stage.required_fields, violations);
    put_into(write, pipeline, stage, violations)
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
        Err(rule) => {
            let is_possible =
                |other: &Stage| other.key != from.0 && permitted(document, from, &other.key, roles).is_ok();
            return forbid(write, pipeline, (from.0, &stage.key, rule), &is_possible, violations);
        }
    };
    let of_transitions = conditions.iter().flat_map(|transition| &transition.required_fields);
    let required: Vec<String> = stage.required_fields.iter().chain(of_transitions).cloned().collect();
    check_fields(write, &required, violations);
    let needs_reason = conditions.iter().any(|transition| transition.requires_reason);
    if needs_reason && text(write.after, "stage_reason").is_none() {
        violations.note("/stage_reason", Reason::REASON_REQUIRED, "this move needs a reason");
    }
    put_into(write, pipeline, stage, violations)
}

/// A change is taken back: the deal returns to where it was, whatever the rules say of moves. It cannot return to a stage that was retired
/// meanwhile.
fn back(write: &mut Write<'_>, pipeline: &Whole, violations: &mut Violations) -> Result<(), Error> {
    write.after.set("stage_reason", Value::Null);
    let Some(stage) = id(write.after, "stage_id").and_then(|stage_id| stage_of(pipeline, stage_id)) else {
        violations.push(Violation::reference_not_found("/stage_id"));
        return Ok(());
    };
    // A deal that was won in spring was not won again today.
    let own = ["probability", "probability_source", "closed_at", "rank"]
        .map(|name| (name, write.after.fields.get(name).cloned().unwrap_or_default()));
    let now = write.plan.author.now.max(pipeline.in_force.effective_at);
    put(write.before, write.after, Place::in_force(pipeline, stage)?, (now, false));
    for (name, value) in own {
        write.after.set(name, value);
    }
    Ok(())
}

/// Puts the deal into a stage of what is in force.
fn put_into(
    write: &mut Write<'_>,
    pipeline: &Whole,
    stage: &Stage,
    violations: &mut Violations,
) -> Result<(), Error> {
    check_probability(write, stage, violations);
    let own = was_sent(write, "probability");
    // Nobody is there by a version before it was in force.
    let now = write.plan.author.now.max(pipeline.in_force.effective_at);
    put(write.before, write.after, Place::in_force(pipeline, stage)?, (now, own));
    Ok(())
}

/// A deal that is won or lost has the probability of that.
fn check_probability(write: &Write<'_>, stage: &Stage, violations: &mut Violations) {
    let sent = write.after.fields.get("probability").filter(|_| was_sent(write, "probability"));
    let sent = sent.and_then(Value::as_i64);
    let only = i64::from(stage.probability_or_kinds());
    if stage.kind_or_open() != Kind::Open && sent.is_some_and(|sent| sent != only) {
        violations.note("/probability", Reason::OUT_OF_RANGE, format!("a deal in this stage has {only}"));
    }
}

fn was_sent(write: &Write<'_>, name: &str) -> bool {
    write.sent.iter().any(|sent| sent == name)
}

/// A deal stays where it is: what its stage requires is not taken away from it.
fn stay(before: &Record, write: &mut Write<'_>, pipeline: &Whole, violations: &mut Violations) {
    write.after.set("stage_reason", Value::Null);
    let stage = id(before, "stage_id").and_then(|id| stage_of(pipeline, id));
    if let Some(stage) = stage {
        let had = stage.required_fields.iter().filter(|name| has(before, name)).cloned();
        check_fields(write, &had.collect::<Vec<_>>(), violations);
    }
    if !was_sent(write, "probability") {
        return;
    }
    let is_unset = write.after.fields.get("probability").is_none_or(Value::is_null);
    match stage {
        Some(stage) => {
            check_probability(write, stage, violations);
            let is_manual = !is_unset && stage.kind_or_open() == Kind::Open;
            set_probability(write.after, is_manual, stage);
        }
        // Of a retired stage nobody knows the probability any more.
        None if is_unset => {
            let was = before.fields.get("probability").cloned().unwrap_or_default();
            write.after.set("probability", was);
        }
        None => write.after.set("probability_source", "manual".into()),
    }
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

/// Refuses a move by the name of the rule, with the stages that the deal could go to instead; of one of many at its field.
fn forbid(
    write: &Write<'_>,
    pipeline: &Whole,
    (from, to, rule): (&str, &str, &str),
    is_possible: &dyn Fn(&Stage) -> bool,
    violations: &mut Violations,
) -> Result<(), Error> {
    if matches!(write.plan.path, Path::Import | Path::Bulk) {
        let text = format!("the pipeline does not permit this move: {rule}");
        violations.note("/stage_id", Reason::MOVE_NOT_ALLOWED, text);
        return Ok(());
    }
    let allowed = pipeline.in_force.document.stages.iter().filter(|stage| is_possible(stage));
    let allowed = allowed.map(|stage| AllowedStage {
        stage_id: pipeline.stage_ids.get(&stage.key).map(Uuid::to_string).unwrap_or_default(),
        key: stage.key.clone(),
        name: stage.name.clone(),
    });
    let detail = AllowedStagesDetail { allowed: allowed.collect() };
    let text = "the pipeline does not permit this move";
    Err(Error::new(Code::FailedPrecondition, Reason::MOVE_NOT_ALLOWED, text)
        .with_metadata("from", from)
        .with_metadata("to", to)
        .with_metadata("rule", rule)
        .with_detail("globcrm.common.v1.AllowedStagesDetail", &detail))
}

/// The rule holds for everybody, so a field that is hidden from the caller is named as well. A custom field that was archived since is not
/// required: nobody can set it.
fn check_fields(write: &Write<'_>, required: &[String], violations: &mut Violations) {
    let set = write.plan.set;
    let is_archived = |name: &str| {
        name.strip_prefix("custom.").is_some_and(|key| set.knows(key) && set.usable(key).is_none())
    };
    for name in required.iter().filter(|name| !has(write.after, name) && !is_archived(name)) {
        let at = pointer(name);
        // What was sent and is wrong is told already.
        if !violations.concern(&at) {
            violations.note(at, Reason::REQUIRED_FOR_STAGE, "the stage requires a value");
        }
    }
}

/// The stage of the document in force that has an id.
fn stage_of(pipeline: &Whole, id: Uuid) -> Option<&Stage> {
    let key = pipeline.stage_ids.iter().find(|(_, known)| **known == id)?.0;
    pipeline.in_force.document.stage(key).map(|(_, stage)| stage)
}
