//! Whose turn it is to be hashed for: one share for each network, taken in turns.
//!
//! A plain queue is first come, first served, so whoever sends the most has nearly all of it. Here each share has a line of its
//! own; the lines take turns; and when all places are taken, a newcomer gets that of whoever holds the most.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Turns for a bounded number of calls at once. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Turns(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    /// Calls that may still begin to wait.
    room: usize,
    next_id: u64,
    lines: HashMap<String, VecDeque<Waiting>>,
    /// The shares that wait, in the order of their turns.
    order: VecDeque<String>,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    sender: oneshot::Sender<Turn>,
}

/// A turn; dropped, it goes to the next.
#[derive(Debug)]
pub(super) struct Turn(Option<Turns>);

/// A place in a line; dropped, it is free.
struct Place<'a> {
    turns: &'a Turns,
    share: &'a str,
    id: u64,
}

impl Turns {
    /// `at_once` turns, and `waiting` places in all lines together.
    pub(super) fn new(at_once: usize, waiting: usize) -> Self {
        let (lines, order) = (HashMap::new(), VecDeque::new());
        Self(Arc::new(Mutex::new(State { free: at_once, room: waiting, next_id: 0, lines, order })))
    }

    /// The next turn of this share; `None` when there is no place to wait in, or no more.
    pub(super) async fn take(&self, share: &str) -> Option<Turn> {
        let (place, turn) = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Some(Turn(Some(self.clone())));
            }
            if state.room == 0 {
                state.make_room_for(share)?;
            }
            let (sender, turn) = oneshot::channel();
            let id = state.enter(share, sender);
            (Place { turns: self, share, id }, turn)
        };
        let turn = turn.await.ok();
        drop(place);
        turn
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, share: &str, sender: oneshot::Sender<Turn>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.room -= 1;
        let line = self.lines.entry(share.to_owned()).or_default();
        if line.is_empty() {
            self.order.push_back(share.to_owned());
        }
        line.push_back(Waiting { id, sender });
        id
    }

    /// Frees the latest place of the longest line, if that is longer than the newcomer's will be.
    fn make_room_for(&mut self, share: &str) -> Option<()> {
        let own = self.lines.get(share).map_or(0, VecDeque::len);
        let longest = self.lines.values_mut().max_by_key(|line| line.len())?;
        if longest.len() <= own + 1 {
            return None;
        }
        longest.pop_back()?;
        self.room += 1;
        Some(())
    }

    /// Who is next, of the share whose turn it is.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let share = self.order.pop_front()?;
        let line = self.lines.get_mut(&share)?;
        let next = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&share);
        } else {
            self.order.push_back(share);
        }
        self.room += usize::from(next.is_some());
        next.map(|waiting| waiting.sender)
    }

    fn leave(&mut self, share: &str, id: u64) {
        let Some(line) = self.lines.get_mut(share) else { return };
        let before = line.len();
        line.retain(|waiting| waiting.id != id);
        self.room += before - line.len();
        if line.is_empty() {
            self.lines.remove(share);
            self.order.retain(|s| s != share);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turns.state().leave(self.share, self.id);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.0.take() else { return };
        loop {
            let next = {
                let mut state = turns.state();
                let next = state.next();
                // Under the same lock: whoever comes in between would wait for a turn that nobody gives on.
                state.free += usize::from(next.is_none());
                next
            };
            let Some(next) = next else { return };
            match next.send(Self(Some(turns.clone()))) {
                Ok(()) => return,
                // Gone meanwhile: this turn is not that of its drop, but of this loop.
                Err(mut unsent) => drop(unsent.0.take()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// The turn, or whether it was refused; panics while it waits.
    fn ready<F: Future>(future: Pin<&mut F>) -> F::Output {
        match poll(future) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("still waits"),
        }
    }

    #[test]
    fn the_lines_take_turns() {
        let turns = Turns::new(1, 8);
        let held = ready(pin!(turns.take("many")).as_mut()).unwrap();
        let (mut first, mut second, mut other) =
            (pin!(turns.take("many")), pin!(turns.take("many")), pin!(turns.take("one")));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        assert!(poll(other.as_mut()).is_pending());
        drop(held);
        let held = ready(first.as_mut()).unwrap();
        assert!(poll(second.as_mut()).is_pending() && poll(other.as_mut()).is_pending());
        drop(held);
        assert!(poll(second.as_mut()).is_pending(), "the other line has its turn");
        drop(ready(other.as_mut()).unwrap());
        ready(second.as_mut()).unwrap();
    }

    #[test]
    fn who_holds_the_most_places_gives_one_to_a_newcomer() {
        let turns = Turns::new(1, 2);
        let held = ready(pin!(turns.take("many")).as_mut()).unwrap();
        let (mut first, mut second) = (pin!(turns.take("many")), pin!(turns.take("many")));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        assert!(ready(pin!(turns.take("many")).as_mut()).is_none(), "nobody takes their own");
        let mut other = pin!(turns.take("one"));
        assert!(poll(other.as_mut()).is_pending());
        assert!(ready(second.as_mut()).is_none(), "the latest of the longest line");
        let mut third = pin!(turns.take("two"));
        assert!(ready(third.as_mut()).is_none(), "no line is longer than the newcomer's would be");
        drop(held);
        drop(ready(first.as_mut()).unwrap());
        ready(other.as_mut()).unwrap();
    }

    #[test]
    fn who_goes_leaves_neither_a_place_nor_a_turn_behind() {
        let turns = Turns::new(1, 1);
        let held = ready(pin!(turns.take("a")).as_mut()).unwrap();
        for _ in 0..3 {
            let mut gone = Box::pin(turns.take("b"));
            assert!(poll(gone.as_mut()).is_pending());
        }
        // Given to somebody who then goes before taking it.
        let mut given = Box::pin(turns.take("b"));
        assert!(poll(given.as_mut()).is_pending());
        drop(held);
        drop(given);
        ready(pin!(turns.take("c")).as_mut()).unwrap();
        let state = turns.state();
        assert_eq!((state.free, state.room, state.order.len(), state.lines.len()), (1, 1, 0, 0));
    }
}
