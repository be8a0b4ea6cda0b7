//! Between pipelines and the wire.

use std::collections::BTreeMap;

use error::{Reason, Violation};
use field_types::FieldError;
use input::{Violations, id, line};
use proto::pipeline::v1 as pb;
use proto::timestamp;
use uuid::Uuid;

use super::{State, Version, Whole};
use crate::document::{Document, Kind, MAX_BYTES, Moves, Rules, Stage, Transition};

/// The ids of stages, by their keys.
type StageIds = BTreeMap<String, Uuid>;

pub(super) fn state_from_wire(state: pb::PipelineState) -> Option<State> {
    match state {
        pb::PipelineState::Unspecified => None,
        pb::PipelineState::Active => Some(State::Active),
        pb::PipelineState::Archived => Some(State::Archived),
    }
}

/// Reads a document. What cannot be stored is refused, with pointers below `at`; what keeps it from being published is a matter of
/// [`crate::document::problems`].
pub(super) fn read(
    at: &str,
    (stages, rules, transitions): (&[pb::Stage], Option<&pb::Rules>, &[pb::Transition]),
    out: &mut Violations,
) -> Document {
    let stages =
        stages.iter().enumerate().map(|(n, stage)| read_stage(&format!("{at}/stages/{n}"), stage, out));
    let stages = stages.collect();
    let transitions = transitions
        .iter()
        .enumerate()
        .map(|(n, transition)| read_transition(&format!("{at}/transitions/{n}"), transition, out))
        .collect();
    let document =
        Document { stages, rules: rules.copied().map(read_rules).unwrap_or_default(), transitions }
            .completed();
    if document.bytes() > MAX_BYTES {
        let text = format!("stages and rules have at most {MAX_BYTES} bytes together");
        out.push(Violation::new(at, Reason::DOCUMENT_TOO_LARGE, text));
    }
    document
}

fn read_stage(at: &str, sent: &pb::Stage, out: &mut Violations) -> Stage {
    let name = out.take(format!("{at}/name"), line(&sent.name, 100)).flatten().unwrap_or_default();
    let kind = match pb::StageKind::try_from(sent.kind) {
        Ok(pb::StageKind::Unspecified) => None,
        Ok(pb::StageKind::Open) => Some(Kind::Open),
        Ok(pb::StageKind::Won) => Some(Kind::Won),
        Ok(pb::StageKind::Lost) => Some(Kind::Lost),
        Err(_) => {
            out.refuse(
                format!("{at}/kind"),
                FieldError::new(Reason::ENUM_VALUE_UNKNOWN, "open, won or lost"),
            );
            None
        }
    };
    Stage {
        key: word(&format!("{at}/key"), &sent.key, out),
        name,
        color: sent.color.as_deref().filter(|c| !c.is_empty()).map(|c| word(&format!("{at}/color"), c, out)),
        kind,
        probability: sent.probability,
        rotting_days: sent.rotting_days,
        wip_limit: sent.wip_limit,
        required_fields: words(&format!("{at}/required_fields"), &sent.required_fields, out),
    }
}

fn read_rules(sent: pb::Rules) -> Rules {
    let moves = match sent.moves() {
        pb::MovePolicy::Listed => Moves::Listed,
        pb::MovePolicy::Any | pb::MovePolicy::Unspecified => Moves::Any,
    };
    let Rules { allow_skipping, allow_backwards, .. } = Rules::default();
    Rules {
        moves,
        allow_skipping: sent.allow_skipping.unwrap_or(allow_skipping),
        allow_backwards: sent.allow_backwards.unwrap_or(allow_backwards),
    }
}

fn read_transition(at: &str, sent: &pb::Transition, out: &mut Violations) -> Transition {
    let roles = sent.role_ids.iter().enumerate();
    let role_ids = roles.filter_map(|(n, role)| out.take(format!("{at}/role_ids/{n}"), id(role))).collect();
    Transition {
        from: sent.from.as_deref().map(|from| word(&format!("{at}/from"), from, out)),
        to: word(&format!("{at}/to"), &sent.to, out),
        required_fields: words(&format!("{at}/required_fields"), &sent.required_fields, out),
        requires_reason: sent.requires_reason,
        role_ids,
    }
}

/// A short text that is compared and not read: kept as it was sent, if it can be stored.
fn word(at: &str, sent: &str, out: &mut Violations) -> String {
    let read = line(sent, 80).map(Option::unwrap_or_default);
    out.take(at, read).unwrap_or_default()
}

fn words(at: &str, sent: &[String], out: &mut Violations) -> Vec<String> {
    sent.iter().enumerate().map(|(n, text)| word(&format!("{at}/{n}"), text, out)).collect()
}

/// A pipeline as callers see it.
pub(super) fn to_wire(whole: &Whole) -> pb::Pipeline {
    let Whole { pipeline, in_force, next, stage_ids } = whole;
    let state = match pipeline.state {
        State::Active => pb::PipelineState::Active,
        State::Archived => pb::PipelineState::Archived,
    };
    pb::Pipeline {
        id: pipeline.id.to_string(),
        version: pipeline.version,
        created_at: Some(timestamp(pipeline.created_at)),
        created_by: pipeline.created_by.to_string(),
        updated_at: Some(timestamp(pipeline.updated_at)),
        updated_by: pipeline.updated_by.to_string(),
        name: Some(pipeline.name.clone()),
        object: "deal".to_owned(),
        is_default: Some(pipeline.is_default),
        state: state.into(),
        published_version: in_force.number,
        next_version: next.map(|(number, at)| pb::NextVersion { number, effective_at: Some(timestamp(at)) }),
        stages: stages(&in_force.document, stage_ids),
        rules: Some(rules(&in_force.document)),
        transitions: transitions(&in_force.document),
    }
}

/// A version as callers see it.
pub(super) fn version(version: &Version, stage_ids: &StageIds) -> pb::PipelineVersion {
    pb::PipelineVersion {
        number: version.number,
        effective_at: Some(timestamp(version.effective_at)),
        published_at: Some(timestamp(version.published_at)),
        published_by: version.published_by.to_string(),
        note: version.note.clone(),
        stages: stages(&version.document, stage_ids),
        rules: Some(rules(&version.document)),
        transitions: transitions(&version.document),
        stage_mapping: version.stage_mapping.clone(),
    }
}

/// A document as callers send it; stages have no ids in it.
pub(super) fn document(document: &Document) -> pb::Document {
    pb::Document {
        stages: stages(document, &StageIds::new()),
        rules: Some(rules(document)),
        transitions: transitions(document),
    }
}

/// A draft with its problems.
pub(super) fn draft(draft: &Document, problems: &Violations) -> pb::Draft {
    let problem = |v: &Violation| pb::Problem {
        pointer: v.pointer.clone(),
        reason: v.reason.to_string(),
        detail: v.detail.to_string(),
    };
    let pb::Document { stages, rules, transitions } = document(draft);
    pb::Draft { stages, rules, transitions, problems: problems.iter().map(problem).collect() }
}

pub(super) fn stages(document: &Document, ids: &StageIds) -> Vec<pb::Stage> {
    document.stages.iter().map(|of| stage(of, ids.get(&of.key).copied())).collect()
}

pub(super) fn stage(stage: &Stage, id: Option<Uuid>) -> pb::Stage {
    let kind = match stage.kind {
        None => pb::StageKind::Unspecified,
        Some(Kind::Open) => pb::StageKind::Open,
        Some(Kind::Won) => pb::StageKind::Won,
        Some(Kind::Lost) => pb::StageKind::Lost,
    };
    pb::Stage {
        id: id.map(|id| id.to_string()).unwrap_or_default(),
        key: stage.key.clone(),
        name: stage.name.clone(),
        color: stage.color.clone(),
        kind: kind.into(),
        probability: stage.probability,
        rotting_days: stage.rotting_days,
        wip_limit: stage.wip_limit,
        required_fields: stage.required_fields.clone(),
    }
}

fn rules(document: &Document) -> pb::Rules {
    let moves = match document.rules.moves {
        Moves::Any => pb::MovePolicy::Any,
        Moves::Listed => pb::MovePolicy::Listed,
    };
    pb::Rules {
        moves: moves.into(),
        allow_skipping: Some(document.rules.allow_skipping),
        allow_backwards: Some(document.rules.allow_backwards),
    }
}

fn transitions(document: &Document) -> Vec<pb::Transition> {
    let transition = |transition: &Transition| pb::Transition {
        from: transition.from.clone(),
        to: transition.to.clone(),
        required_fields: transition.required_fields.clone(),
        requires_reason: transition.requires_reason,
        role_ids: transition.role_ids.iter().map(Uuid::to_string).collect(),
    };
    document.transitions.iter().map(transition).collect()
}
