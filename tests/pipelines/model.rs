//! A model of deals and pipelines: what happened to them, in lists. Everything that is asked of a moment is read from these lists.

use std::collections::BTreeMap;

use proto::pipeline::v1 as pb;
use time::{Date, OffsetDateTime};

/// A list of what was the case from some moment on.
#[derive(Clone, Debug)]
pub(super) struct Since<T>(Vec<(OffsetDateTime, T)>);

impl<T: Clone> Since<T> {
    pub(super) fn new(at: OffsetDateTime, value: T) -> Self {
        Self(vec![(at, value)])
    }

    pub(super) fn set(&mut self, at: OffsetDateTime, value: T) {
        self.0.push((at, value));
    }

    /// The case at a moment.
    pub(super) fn at(&self, at: OffsetDateTime) -> Option<&T> {
        self.0.iter().rev().find(|(since, _)| *since <= at).map(|(_, value)| value)
    }

    /// All that was the case by a moment, one after the other.
    pub(super) fn up_to(&self, at: OffsetDateTime) -> impl DoubleEndedIterator<Item = &T> {
        self.0.iter().filter(move |(since, _)| *since <= at).map(|(_, value)| value)
    }

    pub(super) fn last(&self) -> &T {
        &self.0.last().unwrap().1
    }
}

/// A stage of a version.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) key: &'static str,
    pub(super) name: String,
    pub(super) kind: pb::StageKind,
    pub(super) probability: i64,
}

/// A pipeline, by its versions.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    pub(super) id: String,
    pub(super) versions: Since<Vec<Stage>>,
    pub(super) ids: BTreeMap<&'static str, String>,
}

/// A stay in a stage.
#[derive(Clone, Debug)]
pub(super) struct Stay {
    /// The pipeline's number.
    pub(super) pipeline: usize,
    pub(super) key: &'static str,
    pub(super) kind: pb::StageKind,
    pub(super) at: OffsetDateTime,
    /// As the stage was called then.
    pub(super) name: String,
    pub(super) source: pb::StageSource,
}

/// A deal, by all that happened to it.
#[derive(Clone, Debug)]
pub(super) struct Deal {
    pub(super) id: String,
    pub(super) stays: Vec<Stay>,
    pub(super) amount: Since<Option<(i64, &'static str)>>,
    pub(super) date: Since<Option<Date>>,
    pub(super) reason: Since<Option<&'static str>>,
    pub(super) probability: Since<i64>,
    pub(super) is_manual: bool,
    pub(super) is_trashed: Since<bool>,
    /// Its fields are gone.
    pub(super) is_purged: bool,
}

impl Deal {
    /// The stays that had begun by a moment.
    pub(super) fn stays(&self, at: OffsetDateTime) -> &[Stay] {
        &self.stays[..self.stays.iter().take_while(|stay| stay.at <= at).count()]
    }

    /// Whether it was there, and not in the trash.
    pub(super) fn is_live(&self, at: OffsetDateTime) -> bool {
        !self.stays(at).is_empty() && !self.is_trashed.at(at).copied().unwrap_or_default()
    }

    /// When it was won or lost: when it came to the first of the stages of that kind in which it has been since.
    pub(super) fn closed_at(&self, at: OffsetDateTime) -> Option<OffsetDateTime> {
        let stays = self.stays(at);
        let kind = stays.last()?.kind;
        let since = stays.iter().rev().take_while(|stay| stay.kind == kind).last()?;
        (kind != pb::StageKind::Open).then_some(since.at)
    }

    pub(super) fn now(&self) -> &Stay {
        self.stays.last().unwrap()
    }

    /// Comes to a stage. Without a probability of its own it has that of the stage.
    pub(super) fn go(&mut self, pipeline: usize, stage: &Stage, at: OffsetDateTime, source: pb::StageSource) {
        let Stage { key, ref name, kind, probability } = *stage;
        self.stays.push(Stay { pipeline, key, kind, at, name: name.clone(), source });
        if kind != pb::StageKind::Open {
            self.is_manual = false;
        }
        if !self.is_manual {
            self.probability.set(at, probability);
        }
    }
}

/// All that there is.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) pipelines: Vec<Pipeline>,
    pub(super) deals: Vec<Deal>,
}

impl Model {
    /// The stages of a pipeline in force at a moment.
    pub(super) fn in_force(&self, pipeline: usize, at: OffsetDateTime) -> &[Stage] {
        self.pipelines[pipeline].versions.at(at).expect("the pipeline was there")
    }
}
