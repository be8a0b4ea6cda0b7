//! `GetActivityStateMachines`.

use proto::activities::v1 as pb;

use super::machine::{MACHINES, Machine, State};

/// The machines, as the service runs them.
pub(crate) fn state_machines() -> pb::GetActivityStateMachinesResponse {
    pb::GetActivityStateMachinesResponse { machines: MACHINES.iter().map(shown).collect() }
}

fn shown(machine: &Machine) -> pb::StateMachine {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let transitions = machine.transitions.iter().flat_map(|way| {
        way.from.iter().map(move |from| pb::StateTransition {
            event: way.event.name().to_owned(),
            from: from.name().to_owned(),
            to: way.to.name().to_owned(),
            requires: owned(way.requires),
        })
    });
    pb::StateMachine {
        kind: machine.kind.name().to_owned(),
        states: owned(&State::NAMES),
        requires: owned(machine.requires),
        transitions: transitions.collect(),
        mermaid: machine.mermaid(),
    }
}
