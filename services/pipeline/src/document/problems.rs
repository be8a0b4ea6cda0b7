//! What keeps a document from being published.

use std::collections::BTreeSet;

use error::Reason;
use field_types::search_key;
use input::{Violations, escaped};

use super::{Document, Kind, Stage, possible};

/// Most stages.
pub(crate) const MAX_STAGES: usize = 30;
/// Longest rest in a stage before a deal is rotten, in days.
const MAX_ROTTING_DAYS: i32 = 3_650;
/// Highest limit of deals in a stage.
const MAX_WIP: i32 = 1_000_000;

/// All problems, with pointers into the document. `is_field` says whether a name is that of a field of a deal, custom ones included.
pub(crate) fn problems(document: &Document, is_field: &dyn Fn(&str) -> bool) -> Violations {
    let mut found = Violations::default();
    let out = &mut found;
    let mut taken = Taken::default();
    for (n, stage) in document.stages.iter().enumerate() {
        check_stage(&format!("/stages/{n}"), stage, &mut taken, is_field, out);
    }
    check_kinds(document, out);
    check_transitions(document, is_field, out);
    // Ways between stages mean nothing while the stages themselves are wrong.
    if out.is_empty() {
        check_ways(document, out);
    }
    found
}

/// What the stages before have.
#[derive(Default)]
struct Taken {
    keys: BTreeSet<String>,
    /// As they are compared.
    names: BTreeSet<String>,
}

fn check_stage(
    at: &str,
    stage: &Stage,
    taken: &mut Taken,
    is_field: &dyn Fn(&str) -> bool,
    out: &mut Violations,
) {
    if !is_key(&stage.key) {
        let text = "1 to 40 of a-z, 0-9 and _, beginning with a letter";
        out.note(format!("{at}/key"), Reason::KEY_INVALID, text);
    } else if !taken.keys.insert(stage.key.clone()) {
        out.note(format!("{at}/key"), Reason::REPEATED, "another stage has this key");
    }
    if stage.name.is_empty() {
        out.note(format!("{at}/name"), Reason::REQUIRED, "a name is required");
    } else if !taken.names.insert(search_key(&stage.name)) {
        out.note(format!("{at}/name"), Reason::REPEATED, "another stage has this name");
    }
    if stage.color.as_deref().is_some_and(|color| !is_color(color)) {
        out.note(format!("{at}/color"), Reason::COLOR_INVALID, "a colour is written like #4C6FFF");
    }
    let probability = format!("{at}/probability");
    match (stage.kind, stage.probability) {
        (None, _) => {
            out.note(format!("{at}/kind"), Reason::REQUIRED, "one of open, won and lost is required");
        }
        (Some(Kind::Open), None) => out.note(probability, Reason::REQUIRED, "a percentage is required"),
        (Some(Kind::Open), Some(0..=100))
        | (Some(Kind::Won), None | Some(100))
        | (Some(Kind::Lost), None | Some(0)) => {}
        (Some(Kind::Open), _) => out.note(probability, Reason::OUT_OF_RANGE, "0 to 100"),
        (Some(Kind::Won), _) => out.note(probability, Reason::OUT_OF_RANGE, "what is won has 100"),
        (Some(Kind::Lost), _) => out.note(probability, Reason::OUT_OF_RANGE, "what is lost has 0"),
    }
    for (name, value, most) in
        [("rotting_days", stage.rotting_days, MAX_ROTTING_DAYS), ("wip_limit", stage.wip_limit, MAX_WIP)]
    {
        if value.is_some_and(|value| !(1..=most).contains(&value)) {
            out.note(format!("{at}/{name}"), Reason::OUT_OF_RANGE, format!("1 to {most}"));
        }
    }
    check_fields(at, &stage.required_fields, is_field, out);
}

fn check_fields(at: &str, names: &[String], is_field: &dyn Fn(&str) -> bool, out: &mut Violations) {
    for (n, name) in names.iter().enumerate() {
        let pointer = format!("{at}/required_fields/{n}");
        if names[..n].contains(name) {
            out.note(pointer, Reason::REPEATED, "is repeated");
        } else if !is_field(name) {
            let text = format!("a deal has no field `{}` that can be required", escaped(name));
            out.note(pointer, Reason::UNKNOWN_FIELD, text);
        }
    }
}

fn check_kinds(document: &Document, out: &mut Violations) {
    if document.stages.len() > MAX_STAGES {
        let text = format!("at most {MAX_STAGES} stages");
        out.note("/stages", Reason::TOO_MANY_ITEMS, text);
    }
    for kind in Kind::ALL {
        if !document.stages.iter().any(|stage| stage.kind == Some(kind)) {
            let text = format!("at least one stage of the kind {} is needed", kind.as_str());
            out.note("/stages", Reason::STAGE_KIND_MISSING, text);
        }
    }
    if document.stages.first().is_some_and(|first| first.kind.is_some_and(|kind| kind != Kind::Open)) {
        let text = "the first stage is where deals begin: it must be open";
        out.note("/stages/0/kind", Reason::FIRST_STAGE_CLOSED, text);
    }
}

fn check_transitions(document: &Document, is_field: &dyn Fn(&str) -> bool, out: &mut Violations) {
    let keys: BTreeSet<&str> = document.stages.iter().map(|stage| stage.key.as_str()).collect();
    let mut pairs = BTreeSet::new();
    for (n, transition) in document.transitions.iter().enumerate() {
        let at = format!("/transitions/{n}");
        let ends = [("from", transition.from.as_deref()), ("to", Some(transition.to.as_str()))];
        for (name, key) in ends {
            if key.is_some_and(|key| !keys.contains(key)) {
                out.note(format!("{at}/{name}"), Reason::STAGE_UNKNOWN, "no stage has this key");
            }
        }
        if transition.from.as_deref() == Some(transition.to.as_str()) {
            out.note(format!("{at}/to"), Reason::TRANSITION_TO_ITSELF, "`from` and `to` are the same stage");
        }
        if !pairs.insert((&transition.from, &transition.to)) {
            out.note(at.clone(), Reason::REPEATED, "another transition has the same `from` and `to`");
        }
        for (r, role) in transition.role_ids.iter().enumerate() {
            if transition.role_ids[..r].contains(role) {
                out.note(format!("{at}/role_ids/{r}"), Reason::REPEATED, "is repeated");
            }
        }
        check_fields(&at, &transition.required_fields, is_field, out);
    }
}

/// A deal in an open stage must be able to end, one way and the other.
fn check_ways(document: &Document, out: &mut Violations) {
    for (n, stage) in document.stages.iter().enumerate() {
        if stage.kind != Some(Kind::Open) {
            continue;
        }
        let reached = reached(document, &stage.key);
        for kind in [Kind::Won, Kind::Lost] {
            let ends = |key: &&str| document.stage(key).is_some_and(|(_, s)| s.kind == Some(kind));
            if !reached.iter().any(ends) {
                let text = format!("from here no stage of the kind {} can be reached", kind.as_str());
                out.note(format!("/stages/{n}"), Reason::STAGE_DEAD_END, text);
            }
        }
    }
}

/// The stages to which a deal can come from a stage, over others too.
fn reached<'d>(document: &'d Document, from: &'d str) -> BTreeSet<&'d str> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(key) = open.pop() {
        let kind = document.stage(key).map_or(Kind::Open, |(_, stage)| stage.kind_or_open());
        for next in &document.stages {
            if next.key != key
                && possible(document, (key, kind), &next.key).is_ok()
                && found.insert(&*next.key)
            {
                open.push(&next.key);
            }
        }
    }
    found
}

fn is_key(key: &str) -> bool {
    key.len() <= 40 && field_types::key::check(key).is_ok()
}

fn is_color(color: &str) -> bool {
    color.len() == 7 && color.strip_prefix('#').is_some_and(|hex| hex.chars().all(|c| c.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{document, transition};
    use super::super::{Moves, Transition};
    use super::*;

    fn found(document: &Document) -> Vec<(String, String)> {
        let is_field = |name: &str| ["amount", "custom.seats"].contains(&name);
        let found = problems(document, &is_field);
        found.iter().map(|v| (v.pointer.clone(), v.reason.to_string())).collect()
    }

    /// What one change of a document that is right breaks.
    #[track_caller]
    fn breaks(change: impl FnOnce(&mut Document), expected: &[(&str, &str)]) {
        let mut broken = document();
        change(&mut broken);
        let expected: Vec<_> =
            expected.iter().map(|(at, why)| ((*at).to_owned(), (*why).to_owned())).collect();
        assert_eq!(found(&broken), expected);
    }

    #[test]
    fn each_rule_has_its_problem_at_its_place() {
        breaks(|_| {}, &[]);
        breaks(|d| d.stages[1].key = "Demo".into(), &[("/stages/1/key", "KEY_INVALID")]);
        breaks(|d| d.stages[1].key = "new".into(), &[("/stages/1/key", "REPEATED")]);
        breaks(|d| d.stages[1].name = "NEW".into(), &[("/stages/1/name", "REPEATED")]);
        breaks(|d| d.stages[1].name = String::new(), &[("/stages/1/name", "REQUIRED")]);
        breaks(|d| d.stages[1].color = Some("blue".into()), &[("/stages/1/color", "COLOR_INVALID")]);
        breaks(|d| d.stages[1].kind = None, &[("/stages/1/kind", "REQUIRED")]);
        breaks(|d| d.stages[1].probability = None, &[("/stages/1/probability", "REQUIRED")]);
        for wrong in [(1, 101), (1, -1), (3, 99), (4, 1)] {
            breaks(
                |d| d.stages[wrong.0].probability = Some(wrong.1),
                &[(&format!("/stages/{}/probability", wrong.0), "OUT_OF_RANGE")],
            );
        }
        breaks(|d| d.stages[1].rotting_days = Some(0), &[("/stages/1/rotting_days", "OUT_OF_RANGE")]);
        breaks(|d| d.stages[1].wip_limit = Some(0), &[("/stages/1/wip_limit", "OUT_OF_RANGE")]);
        breaks(
            |d| d.stages[1].required_fields = vec!["amount".into(), "amonut".into(), "amount".into()],
            &[("/stages/1/required_fields/1", "UNKNOWN_FIELD"), ("/stages/1/required_fields/2", "REPEATED")],
        );
        breaks(|d| drop(d.stages.remove(3)), &[("/stages", "STAGE_KIND_MISSING")]);
        breaks(|d| d.stages.swap(0, 3), &[("/stages/0/kind", "FIRST_STAGE_CLOSED")]);
    }

    #[test]
    fn an_empty_document_lacks_every_kind() {
        assert_eq!(
            found(&Document::default()),
            vec![("/stages".to_owned(), "STAGE_KIND_MISSING".to_owned()); 3]
        );
    }

    #[test]
    fn transitions_name_stages_and_are_of_a_move_each() {
        let wrong = Transition {
            required_fields: vec!["custom.seats".into(), "custom.x".into()],
            role_ids: vec![uuid::Uuid::nil(); 2],
            ..transition(Some("gone"), "new")
        };
        breaks(
            |d| d.transitions = vec![wrong; 2],
            &[
                ("/transitions/0/from", "STAGE_UNKNOWN"),
                ("/transitions/0/role_ids/1", "REPEATED"),
                ("/transitions/0/required_fields/1", "UNKNOWN_FIELD"),
                ("/transitions/1/from", "STAGE_UNKNOWN"),
                ("/transitions/1", "REPEATED"),
                ("/transitions/1/role_ids/1", "REPEATED"),
                ("/transitions/1/required_fields/1", "UNKNOWN_FIELD"),
            ],
        );
    }

    #[test]
    fn a_transition_leads_to_another_stage() {
        breaks(
            |d| d.transitions = vec![transition(Some("new"), "new")],
            &[("/transitions/0/to", "TRANSITION_TO_ITSELF")],
        );
    }

    #[test]
    fn every_open_stage_can_be_won_and_lost() {
        let listed = |d: &mut Document, pairs: &[(&str, &str)]| {
            d.rules.moves = Moves::Listed;
            d.transitions = pairs.iter().map(|(from, to)| transition(Some(from), to)).collect();
        };
        breaks(
            |d| listed(d, &[("new", "demo"), ("demo", "won"), ("demo", "lost"), ("offer", "lost")]),
            &[("/stages/2", "STAGE_DEAD_END")],
        );
        // A way that leads over a closed stage leads on only where that is reopened.
        breaks(
            |d| {
                listed(
                    d,
                    &[
                        ("new", "demo"),
                        ("demo", "won"),
                        ("won", "offer"),
                        ("offer", "lost"),
                        ("offer", "won"),
                    ],
                );
            },
            &[],
        );
    }
}
