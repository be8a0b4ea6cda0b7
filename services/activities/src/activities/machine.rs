//! How activities change their state: one table, which the guard goes by, the `CHECK`s of the database repeat, and
//! `GET /activity-state-machines` shows.

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Task,
    Call,
    Meeting,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Planned,
    InProgress,
    Completed,
    Cancelled,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Start,
    Complete,
    Cancel,
    Reopen,
}

/// A way to a state.
#[derive(Clone, Copy, Debug)]
pub struct Transition {
    pub event: Event,
    pub from: &'static [State],
    pub to: State,
    /// The members of the call that must have a value.
    pub requires: &'static [&'static str],
}

/// How activities of a kind change their state.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    pub kind: Kind,
    /// The fields that one has in every state.
    pub requires: &'static [&'static str],
    pub transitions: &'static [Transition],
}

/// The one table.
pub static MACHINES: [Machine; 3] = [
    Machine {
        kind: Kind::Task,
        requires: &["subject"],
        transitions: &[START, complete(&["outcome"]), CANCEL],
    },
    Machine { kind: Kind::Call, requires: &["subject"], transitions: &[START, complete(TIMED), CANCEL] },
    Machine {
        kind: Kind::Meeting,
        requires: &["subject", "starts_at", "ends_at"],
        transitions: &[START, complete(TIMED), CANCEL],
    },
];

/// What there is to say of something that took its time.
const TIMED: &[&str] = &["outcome", "duration_seconds"];
const OPEN: &[State] = &[State::Planned, State::InProgress];
const START: Transition =
    Transition { event: Event::Start, from: &[State::Planned], to: State::InProgress, requires: &[] };
const CANCEL: Transition =
    Transition { event: Event::Cancel, from: OPEN, to: State::Cancelled, requires: &["reason"] };

const fn complete(requires: &'static [&'static str]) -> Transition {
    Transition { event: Event::Complete, from: OPEN, to: State::Completed, requires }
}

/// The fields that only events write.
const WRITTEN_BY_EVENTS: [&str; 3] = ["completed_at", "outcome", "cancelled_reason"];

/// The field in which a member of a call is kept.
pub fn field(member: &'static str) -> &'static str {
    if member == "reason" { "cancelled_reason" } else { member }
}

impl Kind {
    /// The public names, in the order of the kinds.
    pub const NAMES: [&'static str; 3] = ["task", "call", "meeting"];

    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        MACHINES.iter().map(|machine| machine.kind).find(|kind| kind.name() == name)
    }

    /// Its machine.
    pub fn machine(self) -> &'static Machine {
        &MACHINES[self as usize]
    }
}

impl State {
    pub const ALL: [Self; 4] = [Self::Planned, Self::InProgress, Self::Completed, Self::Cancelled];
    /// The public names, in the order of the states.
    pub const NAMES: [&'static str; 4] = ["planned", "in_progress", "completed", "cancelled"];

    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The state of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether something can still happen to it.
    pub fn is_open(self) -> bool {
        OPEN.contains(&self)
    }
}

impl Event {
    pub const ALL: [Self; 4] = [Self::Start, Self::Complete, Self::Cancel, Self::Reopen];

    pub fn name(self) -> &'static str {
        ["start", "complete", "cancel", "reopen"][self as usize]
    }

    /// The event of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }
}

impl Machine {
    /// The way that an event takes from a state; none where it is not possible.
    pub fn way(&self, from: State, event: Event) -> Option<&Transition> {
        self.transitions.iter().find(|way| way.event == event && way.from.contains(&from))
    }

    /// The events that a state permits.
    pub fn permitted(&self, from: State) -> impl Iterator<Item = Event> + '_ {
        Event::ALL.into_iter().filter(move |event| self.way(from, *event).is_some())
    }

    /// The fields that an activity has in a state.
    pub fn has(&self, state: State) -> Vec<&'static str> {
        let own = self.requires.iter().copied();
        let moment = (state == State::Completed).then_some("completed_at");
        let ways = self.transitions.iter().filter(|way| way.to == state).flat_map(|way| way.requires);
        own.chain(moment).chain(ways.map(|member| field(member))).collect()
    }

    /// The fields that an activity does not have in a state.
    pub fn lacks(&self, state: State) -> Vec<&'static str> {
        let has = self.has(state);
        WRITTEN_BY_EVENTS.into_iter().filter(|field| !has.contains(field)).collect()
    }

    /// The machine as a state diagram, in the language of Mermaid.
    pub fn mermaid(&self) -> String {
        let mut diagram = "stateDiagram-v2\n".to_owned();
        let mut line = |from: &str, to: &str, what: &str| {
            diagram.push_str(&format!("    {from} --> {to}{what}\n"));
        };
        line("[*]", State::Planned.name(), "");
        for way in self.transitions {
            for from in way.from {
                let needs = if way.requires.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", way.requires.join(", "))
                };
                line(from.name(), way.to.name(), &format!(": {}{needs}", way.event.name()));
            }
        }
        for state in State::ALL.into_iter().filter(|state| self.permitted(*state).next().is_none()) {
            line(state.name(), "[*]", "");
        }
        diagram
    }
}
