//! The rules of moves, written down a second time from the contract (`docs/api-sales.md`, "Moves") and not from the code that decides them.

use proto::pipeline::v1 as pb;

use crate::pipeline::world::stage;

/// The stages of every pipeline here: key, kind, and the field that it requires.
pub(super) const STAGES: [(&str, pb::StageKind, Option<&str>); 5] = [
    ("a", pb::StageKind::Open, None),
    ("b", pb::StageKind::Open, Some("next_step")),
    ("c", pb::StageKind::Open, None),
    ("won", pb::StageKind::Won, None),
    ("lost", pb::StageKind::Lost, Some("lost_reason")),
];

/// A transition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) from: Option<&'static str>,
    pub(super) to: &'static str,
    pub(super) field: Option<&'static str>,
    pub(super) reason: bool,
    /// Only holders of the role.
    pub(super) role: bool,
}

pub(super) const fn way(from: Option<&'static str>, to: &'static str) -> Way {
    Way { from, to, field: None, reason: false, role: false }
}

/// The rules of a pipeline.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) listed: bool,
    pub(super) skipping: bool,
    pub(super) backwards: bool,
    pub(super) ways: Vec<Way>,
}

/// What a write must answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    /// 409, by this rule.
    Forbidden(&'static str),
    /// 422: the fields that are missing, and whether a reason is.
    Missing(Vec<&'static str>, bool),
}

/// What somebody brings along.
#[derive(Clone, Copy, Debug)]
pub(super) struct With {
    /// Values for all fields that may be required, and a reason.
    pub(super) all: bool,
    pub(super) role: bool,
}

pub(super) fn kind(key: &str) -> pb::StageKind {
    STAGES[place(key)].1
}

fn place(key: &str) -> usize {
    STAGES.iter().position(|stage| stage.0 == key).unwrap()
}

impl Spec {
    /// Every combination of the rules with sets of transitions.
    pub(super) fn all() -> Vec<Self> {
        let sets: [&[Way]; 6] = [
            &[],
            &[Way { reason: true, ..way(None, "b") }],
            &[Way { field: Some("amount"), ..way(Some("a"), "c") }, Way { reason: true, ..way(None, "c") }],
            &[way(Some("won"), "a"), Way { field: Some("amount"), ..way(None, "a") }],
            &[
                Way { role: true, ..way(Some("a"), "won") },
                Way { field: Some("expected_close_date"), ..way(None, "won") },
            ],
            &[Way { reason: true, role: true, ..way(Some("lost"), "c") }, way(Some("c"), "b")],
        ];
        let mut all = Vec::new();
        for set in sets {
            for skipping in [true, false] {
                for backwards in [true, false] {
                    all.push(Self { listed: false, skipping, backwards, ways: set.to_vec() });
                }
            }
            // What `listed` must ignore is forbidden. The rest is what lets every stage be left.
            let base = [way(Some("a"), "b"), way(Some("b"), "c"), way(Some("c"), "won"), way(None, "lost")];
            all.push(Self { listed: true, skipping: false, backwards: false, ways: [&base, set].concat() });
        }
        all
    }

    /// As it is sent; holders of the role are named by its id.
    pub(super) fn document(&self, role: &str) -> pb::Document {
        let stages = STAGES.iter().map(|(key, kind, field)| {
            let probability = match kind {
                pb::StageKind::Won => 100,
                pb::StageKind::Lost => 0,
                _ => 10,
            };
            let required_fields = field.iter().map(|field| (*field).to_owned()).collect();
            pb::Stage { required_fields, ..stage(key, *kind, probability) }
        });
        let transitions = self.ways.iter().map(|way| pb::Transition {
            from: way.from.map(str::to_owned),
            to: way.to.to_owned(),
            required_fields: way.field.iter().map(|field| (*field).to_owned()).collect(),
            requires_reason: way.reason,
            role_ids: if way.role { vec![role.to_owned()] } else { Vec::new() },
        });
        let moves = if self.listed { pb::MovePolicy::Listed } else { pb::MovePolicy::Any };
        let rules = pb::Rules {
            moves: moves.into(),
            allow_skipping: Some(self.skipping),
            allow_backwards: Some(self.backwards),
        };
        pb::Document { stages: stages.collect(), rules: Some(rules), transitions: transitions.collect() }
    }

    /// The rule that forbids a move, if one does.
    pub(super) fn forbids(&self, from: &str, to: &str, role: bool) -> Option<&'static str> {
        let exact = self.ways.iter().any(|way| way.from == Some(from) && way.to == to);
        let general = self.ways.iter().any(|way| way.from.is_none() && way.to == to);
        let is_closed = kind(from) != pb::StageKind::Open;
        // A won or lost stage is left only by a transition whose `from` is that very stage.
        if is_closed && !exact {
            return Some("reopening");
        }
        if !is_closed && self.listed && !exact && !general {
            return Some("listed");
        }
        // `listed` ignores `allow_*`; going to a lost stage is never skipping or backwards.
        if !is_closed && !self.listed && kind(to) != pb::StageKind::Lost {
            if place(to) < place(from) && !self.backwards {
                return Some("allow_backwards");
            }
            let passed = STAGES
                .iter()
                .enumerate()
                .filter(|(at, stage)| *at > place(from) && *at < place(to) && stage.1 == pb::StageKind::Open);
            if passed.count() > 0 && !self.skipping {
                return Some("allow_skipping");
            }
        }
        let bound = self.matching(from, to).any(|way| way.role);
        (bound && !role).then_some("role_ids")
    }

    /// Where an exact and a general transition match, the conditions of both hold.
    fn matching(&self, from: &str, to: &str) -> impl Iterator<Item = &Way> {
        self.ways.iter().filter(move |way| way.to == to && way.from.is_none_or(|source| source == from))
    }

    /// The answer to a move. A refusal by the rules comes before what is missing.
    pub(super) fn moved(&self, from: &str, to: &str, with: With) -> Answer {
        if let Some(rule) = self.forbids(from, to, with.role) {
            return Answer::Forbidden(rule);
        }
        let of_ways = self.matching(from, to).filter_map(|way| way.field);
        let needs_reason = self.matching(from, to).any(|way| way.reason);
        missing(STAGES[place(to)].2.into_iter().chain(of_ways), needs_reason, with)
    }
}

/// A deal that is created is bound by the required fields of its stage only.
pub(super) fn created(to: &str, with: With) -> Answer {
    missing(STAGES[place(to)].2, false, with)
}

/// A deal that comes from another pipeline stays open, won or lost, and needs the required fields of its target.
pub(super) fn changed(from: &str, to: &str, with: With) -> Answer {
    match (kind(from), kind(to)) {
        (was, becomes) if was == becomes => created(to, with),
        (pb::StageKind::Open, _) => Answer::Forbidden("closing"),
        _ => Answer::Forbidden("reopening"),
    }
}

fn missing(fields: impl IntoIterator<Item = &'static str>, needs_reason: bool, with: With) -> Answer {
    let mut fields: Vec<&str> = fields.into_iter().collect();
    fields.sort_unstable();
    fields.dedup();
    if with.all || (fields.is_empty() && !needs_reason) {
        return Answer::Done;
    }
    Answer::Missing(fields, needs_reason)
}
