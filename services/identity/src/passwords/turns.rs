//! Whose turn it is to be hashed for: one share for each network, taken in turns.
//!
//! A plain queue is first come, first served, so whoever sends the most has nearly all of it. Here each network has a line of its
//! own; the lines of one wide network (an IPv4 /24, an IPv6 /48, as one customer may have) take turns, and so do the wide networks,
//! so that 65,536 networks of one customer are no more than one. When all places are taken, a newcomer gets that of whoever holds
//! the most.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::network;

/// Turns for a bounded number of calls at once. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Turns(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    /// Calls that may still begin to wait.
    room: usize,
    next_id: u64,
    /// By wide network, and in it by network.
    lines: Round<Round<VecDeque<Waiting>>>,
}

/// Lines that take turns. None of them is empty.
#[derive(Debug)]
struct Round<L> {
    lines: HashMap<String, L>,
    /// Those that wait, in the order of their turns.
    order: VecDeque<String>,
}

impl<L> Default for Round<L> {
    fn default() -> Self {
        Self { lines: HashMap::new(), order: VecDeque::new() }
    }
}

/// A line, or lines that take turns.
trait Line: Default {
    /// How many wait.
    fn len(&self) -> usize;
    /// Whose turn it is.
    fn next(&mut self) -> Option<Waiting>;
}

impl Line for VecDeque<Waiting> {
    fn len(&self) -> usize {
        Self::len(self)
    }

    fn next(&mut self) -> Option<Waiting> {
        self.pop_front()
    }
}

impl<L: Line> Line for Round<L> {
    fn len(&self) -> usize {
        self.lines.values().map(Line::len).sum()
    }

    fn next(&mut self) -> Option<Waiting> {
        let name = self.order.pop_front()?;
        let line = self.lines.get_mut(&name)?;
        let next = line.next();
        if line.len() == 0 {
            self.lines.remove(&name);
        } else {
            self.order.push_back(name);
        }
        next
    }
}

impl<L: Line> Round<L> {
    /// The line of this name, which somebody joins.
    fn joined(&mut self, name: &str) -> &mut L {
        if !self.lines.contains_key(name) {
            self.order.push_back(name.to_owned());
        }
        self.lines.entry(name.to_owned()).or_default()
    }

    /// Forgets the line of this name if nobody waits in it.
    fn forget_empty(&mut self, name: &str) {
        if self.lines.get(name).is_some_and(|line| line.len() == 0) {
            self.lines.remove(name);
            self.order.retain(|other| other != name);
        }
    }

    fn len_of(&self, name: &str) -> usize {
        self.lines.get(name).map_or(0, Line::len)
    }

    /// The longest line, and how long it is.
    fn longest(&self) -> Option<(String, usize)> {
        let lines = self.lines.iter().map(|(name, line)| (name, line.len()));
        lines.max_by_key(|(_, len)| *len).map(|(name, len)| (name.clone(), len))
    }
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
        Self(Arc::new(Mutex::new(State {
            free: at_once,
            room: waiting,
            next_id: 0,
            lines: Round::default(),
        })))
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
        self.lines.joined(&network::wide(share)).joined(share).push_back(Waiting { id, sender });
        id
    }

    /// Frees the latest place of the longest line of the wide network that holds the most, if that is more than the newcomer's
    /// will hold; of the newcomer's own, if a line of that is longer than the newcomer's will be.
    fn make_room_for(&mut self, share: &str) -> Option<()> {
        let wide = network::wide(share);
        let own = self.lines.len_of(&wide);
        let (mut most, held) = self.lines.longest()?;
        if held <= own + 1 {
            most = wide;
        }
        let lines = self.lines.lines.get_mut(&most)?;
        let (longest, len) = lines.longest()?;
        if held <= own + 1 && len <= lines.len_of(share) + 1 {
            return None;
        }
        lines.lines.get_mut(&longest)?.pop_back()?;
        lines.forget_empty(&longest);
        self.room += 1;
        Some(())
    }

    /// Who is next.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let next = self.lines.next()?;
        self.room += 1;
        Some(next.sender)
    }

    fn leave(&mut self, share: &str, id: u64) {
        let wide = network::wide(share);
        let Some(lines) = self.lines.lines.get_mut(&wide) else { return };
        let Some(line) = lines.lines.get_mut(share) else { return };
        let before = line.len();
        line.retain(|waiting| waiting.id != id);
        self.room += before - line.len();
        lines.forget_empty(share);
        self.lines.forget_empty(&wide);
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
    fn many_networks_of_one_customer_wait_as_one() {
        let turns = Turns::new(1, 8);
        let held = ready(pin!(turns.take("2001:db8:1::")).as_mut()).unwrap();
        let of_one: Vec<String> = (0..8).map(|n| format!("2001:db8:1:{n}::")).collect();
        let mut many: Vec<_> = of_one.iter().map(|network| Box::pin(turns.take(network))).collect();
        assert!(many.iter_mut().all(|waiting| poll(waiting.as_mut()).is_pending()));
        assert!(ready(pin!(turns.take("2001:db8:1:ff::")).as_mut()).is_none(), "no more of the same");
        // Others find a place, and their turn is the next but one, whoever came before.
        let mut one = pin!(turns.take("2001:db8:2::"));
        let mut other = pin!(turns.take("192.0.2.1"));
        assert!(poll(one.as_mut()).is_pending() && poll(other.as_mut()).is_pending());
        let mut shut_out = 0;
        many.retain_mut(|waiting| match poll(waiting.as_mut()) {
            Poll::Ready(turn) => {
                assert!(turn.is_none());
                shut_out += 1;
                false
            }
            Poll::Pending => true,
        });
        assert_eq!(shut_out, 2);
        drop(held);
        let served = many.iter_mut().find_map(|waiting| match poll(waiting.as_mut()) {
            Poll::Ready(turn) => turn,
            Poll::Pending => None,
        });
        drop(served.unwrap());
        drop(ready(one.as_mut()).unwrap());
        drop(ready(other.as_mut()).unwrap());
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
        assert_eq!((state.free, state.room, state.lines.order.len(), state.lines.lines.len()), (1, 1, 0, 0));
    }
}
