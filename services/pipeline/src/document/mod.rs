//! A pipeline as one document: its stages in their order, and the rules by which deals move between them.

mod problems;
mod rules;
mod templates;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use problems::{MAX_STAGES, problems};
pub(crate) use rules::{Forbidden, possible};
pub(crate) use templates::{FIRST, template, templates};

/// Most bytes of a document, as it is stored. All pipelines of a tenant are shown in one answer.
pub(crate) const MAX_BYTES: usize = 32 << 10;

/// Stages and rules. A draft may be one that cannot be published.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(default)]
pub(crate) struct Document {
    pub(crate) stages: Vec<Stage>,
    pub(crate) rules: Rules,
    pub(crate) transitions: Vec<Transition>,
}

/// A place where deals stand.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct Stage {
    pub(crate) key: String,
    pub(crate) name: String,
    /// `#RRGGBB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) color: Option<String>,
    /// `None` in a draft alone.
    pub(crate) kind: Option<Kind>,
    /// In percent. `None` in a draft, and where the kind says it.
    #[serde(default)]
    pub(crate) probability: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rotting_days: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wip_limit: Option<i32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) required_fields: Vec<String>,
}

/// What being in a stage means for a deal.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Open,
    Won,
    Lost,
}

impl Stage {
    /// Its kind; one of a draft that has none yet counts as open.
    pub(crate) fn kind_or_open(&self) -> Kind {
        self.kind.unwrap_or(Kind::Open)
    }

    /// Its probability, which a won or lost stage need not say.
    pub(crate) fn probability_or_kinds(&self) -> i32 {
        self.probability.unwrap_or(match self.kind_or_open() {
            Kind::Won => 100,
            Kind::Open | Kind::Lost => 0,
        })
    }
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Open, Self::Won, Self::Lost];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }
}

/// What is permitted where no transition says more.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) moves: Moves,
    pub(crate) allow_skipping: bool,
    pub(crate) allow_backwards: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { moves: Moves::Any, allow_skipping: true, allow_backwards: true }
    }
}

/// Which moves there are.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Moves {
    /// All that the rules permit; transitions add conditions.
    Any,
    /// Those of the transitions alone.
    Listed,
}

/// A move, and on what conditions it is made.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    /// `None`: from any stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    pub(crate) to: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) required_fields: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) requires_reason: bool,
    /// Empty: everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) role_ids: Vec<Uuid>,
}

impl Document {
    /// The stage of a key, with its place.
    pub(crate) fn stage(&self, key: &str) -> Option<(usize, &Stage)> {
        self.stages.iter().enumerate().find(|(_, stage)| stage.key == key)
    }

    /// The roles that its transitions name, as often as they do.
    pub(crate) fn roles(&self) -> impl Iterator<Item = Uuid> {
        self.transitions.iter().flat_map(|transition| &transition.role_ids).copied()
    }

    /// The custom fields that it requires, by their names and keys, as often as it does.
    pub(crate) fn custom_fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let of_stages = self.stages.iter().flat_map(|stage| &stage.required_fields);
        let of_transitions = self.transitions.iter().flat_map(|transition| &transition.required_fields);
        let all = of_stages.chain(of_transitions);
        all.filter_map(|name| Some((name.as_str(), name.strip_prefix("custom.")?)))
    }

    /// How many bytes it has as it is stored.
    pub(crate) fn bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |json| json.len())
    }

    /// Sets what follows from the kind of a stage.
    pub(crate) fn completed(mut self) -> Self {
        for stage in &mut self.stages {
            let implied = match stage.kind {
                Some(Kind::Won) => Some(100),
                Some(Kind::Lost) => Some(0),
                _ => None,
            };
            stage.probability = stage.probability.or(implied);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(key: &str, kind: Kind, probability: i32) -> Stage {
        Stage {
            key: key.to_owned(),
            name: key.to_owned(),
            color: None,
            kind: Some(kind),
            probability: Some(probability),
            rotting_days: None,
            wip_limit: None,
            required_fields: Vec::new(),
        }
    }

    /// A move without conditions.
    pub(super) fn transition(from: Option<&str>, to: &str) -> Transition {
        Transition {
            from: from.map(str::to_owned),
            to: to.to_owned(),
            required_fields: Vec::new(),
            requires_reason: false,
            role_ids: Vec::new(),
        }
    }

    /// Three open stages, a won and a lost one; every move is allowed.
    pub(super) fn document() -> Document {
        let stages = vec![
            stage("new", Kind::Open, 10),
            stage("demo", Kind::Open, 40),
            stage("offer", Kind::Open, 70),
            stage("won", Kind::Won, 100),
            stage("lost", Kind::Lost, 0),
        ];
        Document { stages, ..Document::default() }
    }

    #[test]
    fn what_follows_from_a_kind_is_set_and_nothing_else() {
        let mut sent = document();
        for stage in &mut sent.stages {
            stage.probability = None;
        }
        let completed = sent.completed();
        let probabilities: Vec<_> = completed.stages.iter().map(|stage| stage.probability).collect();
        assert_eq!(probabilities, [None, None, None, Some(100), Some(0)]);
    }
}
