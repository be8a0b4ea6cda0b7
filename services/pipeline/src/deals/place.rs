//! Where a deal stands, and how it is put elsewhere.

use error::Error;
use field_types::moment::{datetime, datetime_text};
use record::Record;
use record::fields::is_unset;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::rank;
use crate::document::{Kind, Stage};
use crate::pipelines::Whole;

/// A stage of a pipeline, as a version has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) pipeline_id: Uuid,
    pub(super) version: i32,
    pub(super) stage_id: Uuid,
    pub(super) stage: &'a Stage,
}

impl<'a> Place<'a> {
    /// A stage of what is in force.
    pub(super) fn in_force(pipeline: &Whole, stage: &'a Stage) -> Result<Self, Error> {
        let stage_id = pipeline.stage_ids.get(&stage.key).copied();
        let stage_id = stage_id.ok_or_else(|| Error::internal("a published stage has no id"))?;
        Ok(Self { pipeline_id: pipeline.pipeline.id, version: pipeline.in_force.number, stage_id, stage })
    }
}

/// Puts a deal into a stage from `now` on, and never from before it came to the stage it leaves. With `own_probability` its probability is
/// one that was sent.
pub(super) fn put(
    before: Option<&Record>,
    deal: &mut Record,
    place: Place<'_>,
    (now, own_probability): (OffsetDateTime, bool),
) {
    let entered_at = before.and_then(entered_at).map_or(now, |was| was.max(now));
    let entered_text: Value = datetime_text(entered_at).into();
    let kind = place.stage.kind_or_open();
    let was_of_kind = before.filter(|before| kind_of(before) == kind);
    let closed_at = match kind {
        Kind::Open => Value::Null,
        // A deal that goes from one won stage to another was won when it came to the first.
        Kind::Won | Kind::Lost => {
            let was = was_of_kind.and_then(|before| before.fields.get("closed_at"));
            was.cloned().unwrap_or_else(|| entered_text.clone())
        }
    };
    for (name, value) in [
        ("pipeline_id", Value::from(place.pipeline_id.to_string())),
        ("pipeline_version", place.version.into()),
        ("stage_id", place.stage_id.to_string().into()),
        ("stage_key", place.stage.key.clone().into()),
        ("status", kind.as_str().into()),
        ("stage_entered_at", entered_text),
        ("rank", rank::of_moment(entered_at).into()),
        ("closed_at", closed_at),
    ] {
        deal.set(name, value);
    }
    let was_manual = before.is_some_and(|before| text(before, "probability_source") == Some("manual"));
    let is_manual = kind == Kind::Open
        && deal.fields.get("probability").is_some_and(|value| !value.is_null())
        && (was_manual || own_probability);
    set_probability(deal, is_manual, place.stage);
}

/// Without one of its own a deal has the probability of its stage.
pub(super) fn set_probability(deal: &mut Record, is_manual: bool, stage: &Stage) {
    if !is_manual {
        deal.set("probability", stage.probability_or_kinds().into());
    }
    deal.set("probability_source", if is_manual { "manual" } else { "stage" }.into());
}

/// Since when a deal has been in its stage.
pub(super) fn entered_at(deal: &Record) -> Option<OffsetDateTime> {
    datetime(text(deal, "stage_entered_at")?).ok()
}

/// Whether a deal has a value of a field: `custom.<key>` for custom ones.
pub(super) fn has(deal: &Record, name: &str) -> bool {
    deal.value(name).is_some_and(|value| !is_unset(value))
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
