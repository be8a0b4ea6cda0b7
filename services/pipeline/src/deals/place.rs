//! Where a deal stands, and how it is put elsewhere.

use field_types::moment::{datetime, datetime_text};
use record::Record;
use record::fields::is_unset;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::document::{Kind, Stage};
use crate::pipelines::{Version, Whole};

/// A stage of a pipeline, as a version has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) pipeline_id: Uuid,
    pub(super) version: i32,
    pub(super) stage_id: Option<Uuid>,
    pub(super) stage: &'a Stage,
}

impl<'a> Place<'a> {
    /// A stage of what is in force.
    pub(super) fn in_force(pipeline: &'a Whole, stage: &'a Stage) -> Self {
        Self::of(pipeline, &pipeline.in_force, stage)
    }

    /// A stage of a version.
    pub(super) fn of(pipeline: &'a Whole, version: &'a Version, stage: &'a Stage) -> Self {
        let stage_id = pipeline.stage_ids.get(&stage.key).copied();
        Self { pipeline_id: pipeline.pipeline.id, version: version.number, stage_id, stage }
    }
}

/// Puts a deal into a stage: it is there from now on, and not from before it came to where it was.
pub(super) fn put(before: Option<&Record>, deal: &mut Record, place: Place<'_>, now: OffsetDateTime) {
    let entered_at = before.and_then(entered_at).map_or(now, |was| was.max(now));
    let entered_text: Value = datetime_text(entered_at).into();
    let kind = place.stage.kind_or_open();
    // From one closed stage to another of its kind it stays closed since when it was.
    let stays =
        before.filter(|before| kind_of(before) == kind).and_then(|before| before.fields.get("closed_at"));
    let closed_at = match kind {
        Kind::Open => Value::Null,
        Kind::Won | Kind::Lost => stays.cloned().unwrap_or_else(|| entered_text.clone()),
    };
    for (name, value) in [
        ("pipeline_id", Value::from(place.pipeline_id.to_string())),
        ("pipeline_version", place.version.into()),
        ("stage_id", place.stage_id.map(|id| id.to_string()).into()),
        ("stage_key", place.stage.key.clone().into()),
        ("status", kind.as_str().into()),
        ("stage_entered_at", entered_text),
        ("closed_at", closed_at),
    ] {
        deal.set(name, value);
    }
    set_probability(before, deal, kind, place.stage.probability.unwrap_or_default());
}

/// Without one of its own a deal has the probability of its stage. One that is won or lost has no other.
pub(super) fn set_probability(before: Option<&Record>, deal: &mut Record, kind: Kind, of_stage: i32) {
    let value = |record: &Record| record.fields.get("probability").cloned().unwrap_or_default();
    let sent = value(deal);
    let was = before.map(value).unwrap_or_default();
    let was_manual = before.is_some_and(|before| text(before, "probability_source") == Some("manual"));
    let is_manual = kind == Kind::Open && !sent.is_null() && (was_manual || sent != was);
    if !is_manual {
        deal.set("probability", of_stage.into());
    }
    let source = if is_manual { "manual" } else { "stage" };
    deal.set("probability_source", source.into());
}

/// Since when a deal has been in its stage.
pub(super) fn entered_at(deal: &Record) -> Option<OffsetDateTime> {
    datetime(text(deal, "stage_entered_at")?).ok()
}

/// Whether a deal has a value of a field: `custom.<key>` for custom ones.
pub(super) fn has(deal: &Record, name: &str) -> bool {
    let value = match name.strip_prefix("custom.") {
        Some(key) => deal.custom.get(key),
        None => deal.fields.get(name),
    };
    value.is_some_and(|value| !is_unset(value))
}

pub(super) fn kind_of(deal: &Record) -> Kind {
    match text(deal, "status") {
        Some("won") => Kind::Won,
        Some("lost") => Kind::Lost,
        _ => Kind::Open,
    }
}

pub(super) fn text<'r>(deal: &'r Record, name: &str) -> Option<&'r str> {
    deal.fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

pub(super) fn id(deal: &Record, name: &str) -> Option<Uuid> {
    text(deal, name).and_then(|text| Uuid::try_parse(text).ok())
}

pub(super) fn number(deal: &Record, name: &str) -> i32 {
    deal.fields.get(name).and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok()).unwrap_or_default()
}
