//! Which moves a document permits. The one place that decides it.

use super::{Document, Kind, Moves, Transition};

/// Why a move is not possible, by the name of the rule that forbids it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forbidden {
    /// `listed`: no transition names it.
    NotListed,
    /// `allow_skipping`: open stages lie between.
    Skipping,
    /// `allow_backwards`: it goes back.
    Backwards,
    /// A won or lost stage is left only by a transition that names it.
    Reopening,
}

/// The transitions whose conditions hold for a move between two stages, by their keys, or why there is no such move. Who makes it, and what its
/// deal has, is not looked at.
///
/// `from` may be a retired stage of this kind, which is not in the document. It may be left for any stage that is, but a closed one only for another
/// stage of its kind.
pub(crate) fn possible<'d>(
    document: &'d Document,
    (from, from_kind): (&str, Kind),
    to: &str,
) -> Result<Vec<&'d Transition>, Forbidden> {
    let Some((target, to_stage)) = document.stage(to) else { return Err(Forbidden::NotListed) };
    let to_kind = to_stage.kind_or_open();
    let leads = |t: &&Transition| t.to == to && t.from.as_deref().is_none_or(|source| source == from);
    let found: Vec<&Transition> = document.transitions.iter().filter(leads).collect();
    let is_named = found.iter().any(|transition| transition.from.is_some());
    let Some((source, from_stage)) = document.stage(from) else {
        let stays_closed = from_kind == Kind::Open || from_kind == to_kind;
        return if stays_closed { Ok(found) } else { Err(Forbidden::Reopening) };
    };
    if from_stage.kind_or_open() != Kind::Open {
        return if is_named { Ok(found) } else { Err(Forbidden::Reopening) };
    }
    if document.rules.moves == Moves::Listed {
        return if found.is_empty() { Err(Forbidden::NotListed) } else { Ok(found) };
    }
    if to_kind == Kind::Lost {
        return Ok(found);
    }
    if target < source && !document.rules.allow_backwards {
        return Err(Forbidden::Backwards);
    }
    let mut between = document.stages.iter().take(target).skip(source + 1);
    let skips = between.any(|stage| stage.kind_or_open() == Kind::Open);
    if skips && !document.rules.allow_skipping {
        return Err(Forbidden::Skipping);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{document, transition};
    use super::*;

    fn moved(document: &Document, from: &str, to: &str) -> Result<usize, Forbidden> {
        let kind = document.stage(from).map_or(Kind::Open, |(_, stage)| stage.kind_or_open());
        possible(document, (from, kind), to).map(|found| found.len())
    }

    #[test]
    fn forward_backward_and_skipping_go_by_the_order_of_open_stages() {
        let mut d = document();
        assert_eq!(moved(&d, "new", "won"), Ok(0));
        assert_eq!(moved(&d, "offer", "new"), Ok(0));
        d.rules.allow_skipping = false;
        assert_eq!(moved(&d, "new", "demo"), Ok(0));
        assert_eq!(moved(&d, "new", "offer"), Err(Forbidden::Skipping));
        assert_eq!(moved(&d, "new", "won"), Err(Forbidden::Skipping));
        assert_eq!(moved(&d, "offer", "won"), Ok(0));
        // Back over a stage is no skipping.
        assert_eq!(moved(&d, "offer", "new"), Ok(0));
        d.rules.allow_backwards = false;
        assert_eq!(moved(&d, "offer", "new"), Err(Forbidden::Backwards));
        for from in ["new", "demo", "offer"] {
            assert_eq!(moved(&d, from, "lost"), Ok(0), "{from}");
        }
    }

    #[test]
    fn a_closed_stage_is_left_only_by_a_transition_that_names_it() {
        let mut d = document();
        for to in ["new", "lost"] {
            assert_eq!(moved(&d, "won", to), Err(Forbidden::Reopening));
        }
        d.transitions.push(transition(None, "new"));
        assert_eq!(moved(&d, "won", "new"), Err(Forbidden::Reopening));
        d.transitions.push(transition(Some("won"), "new"));
        d.rules.allow_backwards = false;
        // The conditions of both hold.
        assert_eq!(moved(&d, "won", "new"), Ok(2));
        assert_eq!(moved(&d, "lost", "new"), Err(Forbidden::Reopening));
    }

    #[test]
    fn listed_moves_are_those_of_the_transitions_whatever_else_is_allowed() {
        let mut d = document();
        d.rules = super::super::Rules { moves: Moves::Listed, allow_skipping: false, allow_backwards: false };
        d.transitions = vec![transition(Some("new"), "offer"), transition(None, "lost")];
        assert_eq!(moved(&d, "new", "offer"), Ok(1));
        assert_eq!(moved(&d, "new", "demo"), Err(Forbidden::NotListed));
        assert_eq!(moved(&d, "demo", "lost"), Ok(1));
        assert_eq!(moved(&d, "demo", "nowhere"), Err(Forbidden::NotListed));
    }

    #[test]
    fn a_retired_stage_is_left_for_any_and_a_closed_one_for_its_kind() {
        let mut d = document();
        d.rules.moves = Moves::Listed;
        d.transitions = vec![transition(None, "demo")];
        let from = |kind, to| possible(&d, ("gone", kind), to).map(|found| found.len());
        assert_eq!(from(Kind::Open, "demo"), Ok(1));
        assert_eq!(from(Kind::Open, "offer"), Ok(0));
        assert_eq!(from(Kind::Won, "won"), Ok(0));
        assert_eq!(from(Kind::Won, "demo"), Err(Forbidden::Reopening));
        assert_eq!(from(Kind::Lost, "won"), Err(Forbidden::Reopening));
    }
}
