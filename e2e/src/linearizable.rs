//! Whether operations that overlap could have happened one after the other.
//!
//! A history is linearizable if every operation can be given one moment between its invocation and its answer, so that in the
//! order of these moments each answer is the one that a sequential [`Model`] gives (Herlihy and Wing, "Linearizability: a
//! correctness condition for concurrent objects", 1990). The search is that of Wing and Gong ("Testing and verifying
//! concurrent objects", 1993), with Lowe's memory of what was tried ("Testing for linearizability", 2017): two orders of the
//! same operations that lead to the same state are the same for all that follows.
//!
//! Histories of independent objects are judged apart, as all of them together are linearizable exactly if each is.

use std::collections::HashSet;
use std::hash::Hash;

/// What an object is, and what operations do to it one after the other.
pub trait Model {
    /// The state of the object.
    type State: Clone + Eq + Hash;
    /// An operation with the answer to it. Without an answer it may do nothing, as it need not have happened.
    type Operation;

    /// The state after the operation. `None` if its answer cannot come in this state.
    fn step(state: &Self::State, operation: &Self::Operation) -> Option<Self::State>;

    /// Whether the operation leaves every state as it is.
    fn is_read(operation: &Self::Operation) -> bool;
}

/// An operation and its time. No two times of a history are the same.
#[derive(Clone, Debug)]
pub struct Call<O> {
    /// Before it was sent.
    pub invoked: u64,
    /// After its answer was there. Without one it may happen at any time after `invoked`, or never.
    pub answered: Option<u64>,
    /// What it was.
    pub operation: O,
}

/// Why a history is not linearizable.
#[derive(Debug)]
pub struct Stuck {
    /// The longest order that was found, of positions in the history: nothing can come next.
    pub order: Vec<usize>,
}

const NOTHING: usize = usize::MAX;

/// The invocations and answers that have no place in the order yet, by time: a list that entries leave and return to.
struct Events {
    /// Which call an event is of, and whether it is the answer.
    events: Vec<(usize, bool)>,
    /// Where each call's invocation and answer are.
    places: Vec<(usize, usize)>,
    next: Vec<usize>,
    previous: Vec<usize>,
    first: usize,
}

impl Events {
    fn new<O>(calls: &[Call<O>]) -> Self {
        let mut events: Vec<_> = (0..calls.len()).flat_map(|i| [(i, false), (i, true)]).collect();
        events.sort_by_key(|&(call, is_answer)| match (is_answer, calls[call].answered) {
            (false, _) => (calls[call].invoked, call),
            (true, Some(time)) => (time, call),
            (true, None) => (u64::MAX, call),
        });
        let mut places = vec![(0, 0); calls.len()];
        for (place, &(call, is_answer)) in events.iter().enumerate() {
            *if is_answer { &mut places[call].1 } else { &mut places[call].0 } = place;
        }
        let count = events.len();
        let next = (1..=count).map(|place| if place < count { place } else { NOTHING }).collect();
        let previous = (0..count).map(|place| place.checked_sub(1).unwrap_or(NOTHING)).collect();
        Self { events, places, next, previous, first: if count > 0 { 0 } else { NOTHING } }
    }

    fn link(&mut self, previous: usize, next: usize) {
        if previous == NOTHING {
            self.first = next
        } else {
            self.next[previous] = next
        }
        if next != NOTHING {
            self.previous[next] = previous;
        }
    }

    fn take_out(&mut self, call: usize) {
        let (invocation, answer) = self.places[call];
        for place in [invocation, answer] {
            self.link(self.previous[place], self.next[place]);
        }
    }

    /// Undoes the latest [`take_out`](Self::take_out) that was not undone.
    fn put_back(&mut self, call: usize) {
        let (invocation, answer) = self.places[call];
        for place in [answer, invocation] {
            let (previous, next) = (self.previous[place], self.next[place]);
            self.link(previous, place);
            self.link(place, next);
        }
    }
}

/// Looks for an order of the calls that the model allows.
///
/// # Errors
/// There is none.
pub fn linearize<M: Model>(
    initial: M::State,
    calls: &[Call<M::Operation>],
) -> Result<(), Box<Stuck>> {
    let mut events = Events::new(calls);
    let mut state = initial;
    let mut order: Vec<(usize, M::State)> = Vec::new();
    let mut longest = Vec::new();
    let mut ordered = vec![0_u64; calls.len().div_ceil(64)];
    let mut tried = HashSet::new();
    let mut left = calls.iter().filter(|call| call.answered.is_some()).count();
    let mut place = events.first;
    // Calls without an answer that have no place by then have not happened.
    while left > 0 {
        let (call, is_answer) = events.events[place];
        let (word, bit) = (call / 64, 1 << (call % 64));
        let is_open = calls[call].answered.is_none();
        if !is_answer {
            if let Some(next) = M::step(&state, &calls[call].operation) {
                ordered[word] |= bit;
                if tried.insert((ordered.clone(), next.clone())) {
                    order.push((call, std::mem::replace(&mut state, next)));
                    left -= usize::from(!is_open);
                    events.take_out(call);
                    place = events.first;
                    continue;
                }
                ordered[word] &= !bit;
            }
            place = events.next[place];
            continue;
        }
        // What is answered here had to come before, and could not.
        if order.len() > longest.len() {
            longest = order.iter().map(|(call, _)| *call).collect();
        }
        loop {
            let Some((last, before)) = order.pop() else {
                return Err(Box::new(Stuck { order: longest }));
            };
            state = before;
            left += usize::from(calls[last].answered.is_some());
            ordered[last / 64] &= !(1 << (last % 64));
            events.put_back(last);
            // No later place is better for a read that fits here: with it moved here, all others can stay where they are.
            if !M::is_read(&calls[last].operation) {
                place = events.next[events.places[last].0];
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that is written and read.
    struct Register;

    #[derive(Debug)]
    enum Operation {
        Write(u32),
        /// Writes the second if the first is there, and tells whether it was.
        Swap(u32, u32, bool),
        Read(u32),
    }
    use Operation::{Read, Swap, Write};

    impl Model for Register {
        type State = u32;
        type Operation = Operation;

        fn step(state: &u32, operation: &Operation) -> Option<u32> {
            match *operation {
                Write(value) => Some(value),
                Swap(old, new, true) => (*state == old).then_some(new),
                Swap(old, _, false) => (*state != old).then_some(*state),
                Read(value) => (*state == value).then_some(*state),
            }
        }

        fn is_read(operation: &Operation) -> bool {
            matches!(operation, Read(_))
        }
    }

    /// An answer at 0 is none.
    fn is_legal(history: Vec<(u64, u64, Operation)>) -> bool {
        let calls = history.into_iter().map(|(invoked, answered, operation)| Call {
            invoked,
            answered: Some(answered).filter(|time| *time > 0),
            operation,
        });
        linearize::<Register>(0, &calls.collect::<Vec<_>>()).is_ok()
    }

    #[test]
    fn one_after_the_other_only_one_order_is_possible() {
        assert!(is_legal(vec![]));
        assert!(is_legal(vec![
            (1, 2, Write(1)),
            (3, 4, Read(1)),
            (5, 6, Write(2)),
            (7, 8, Read(2))
        ]));
        assert!(!is_legal(vec![(1, 2, Write(1)), (3, 4, Read(0))]), "a stale read");
        assert!(!is_legal(vec![(1, 2, Read(1)), (3, 4, Write(1))]), "a read of what is to come");
        assert!(!is_legal(vec![(1, 2, Read(7))]), "nobody wrote it");
    }

    #[test]
    fn what_overlaps_may_come_in_any_order() {
        assert!(is_legal(vec![(1, 4, Write(1)), (2, 3, Read(0))]));
        assert!(is_legal(vec![(1, 4, Write(1)), (2, 3, Read(1))]));
        assert!(is_legal(vec![
            (1, 6, Write(1)),
            (2, 5, Write(2)),
            (3, 4, Read(2)),
            (7, 8, Read(1))
        ]));
        assert!(is_legal(vec![(1, 4, Write(1)), (2, 3, Write(2)), (5, 6, Read(1))]));
    }

    #[test]
    fn what_was_seen_once_is_not_gone_again() {
        let flicker = |second| {
            vec![(1, 10, Write(1)), (2, 3, Read(1)), (4, 5, Read(second)), (11, 12, Read(1))]
        };
        assert!(is_legal(flicker(1)));
        assert!(!is_legal(flicker(0)));
        // Two readers that see two writes in different orders.
        let orders = |last| {
            let writes = [(1, 20, Write(1)), (2, 21, Write(2))];
            let reads = [(3, 4, Read(1)), (5, 6, Read(2)), (7, 8, Read(last))];
            writes.into_iter().chain(reads).collect()
        };
        assert!(is_legal(orders(2)));
        assert!(!is_legal(orders(1)));
    }

    #[test]
    fn of_two_swaps_from_the_same_value_one_succeeds() {
        let swaps = |second| vec![(1, 4, Swap(0, 1, true)), (2, 5, Swap(0, 2, second))];
        assert!(is_legal(swaps(false)));
        assert!(!is_legal(swaps(true)), "a lost update");
    }

    #[test]
    fn what_was_not_answered_may_have_happened_at_any_time_or_never() {
        for value in [0, 1] {
            assert!(is_legal(vec![(1, 0, Write(1)), (2, 3, Read(value))]));
        }
        assert!(is_legal(vec![(1, 0, Write(1)), (2, 3, Read(0)), (4, 5, Read(1))]), "later");
        assert!(!is_legal(vec![(1, 0, Write(1)), (2, 3, Read(1)), (4, 5, Read(0))]), "and undone");
        assert!(!is_legal(vec![(3, 0, Write(1)), (1, 2, Read(1))]), "before it was sent");
        // Once, not twice.
        let twice = vec![(1, 0, Write(1)), (2, 3, Read(1)), (4, 5, Write(2)), (6, 7, Read(1))];
        assert!(!is_legal(twice));
    }

    #[test]
    fn the_longest_order_tells_where_it_ends() {
        let calls = [(1, Write(1)), (3, Read(1)), (5, Read(2)), (7, Read(1))]
            .map(|(time, operation)| Call { invoked: time, answered: Some(time + 1), operation });
        assert_eq!(linearize::<Register>(0, &calls).unwrap_err().order, [0, 1]);
    }

    /// All orders, tried one by one.
    fn is_legal_by_force(state: u32, calls: &[&Call<Operation>]) -> bool {
        let first_answer = calls.iter().filter_map(|call| call.answered).min();
        first_answer.is_none_or(|first| {
            (0..calls.len()).filter(|i| calls[*i].invoked < first).any(|i| {
                let rest = [&calls[..i], &calls[i + 1..]].concat();
                Register::step(&state, &calls[i].operation)
                    .is_some_and(|state| is_legal_by_force(state, &rest))
            })
        })
    }

    #[test]
    fn it_agrees_with_all_orders_tried_one_by_one() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut legal = 0;
        for _ in 0..20_000 {
            let count = random.usize(1..=6);
            let mut times: Vec<u64> = (1..=2 * count as u64).collect();
            random.shuffle(&mut times);
            let calls: Vec<_> = times
                .chunks(2)
                .map(|times| Call {
                    invoked: times[0].min(times[1]),
                    answered: (random.u8(..5) > 0).then_some(times[0].max(times[1])),
                    operation: match random.u8(..4) {
                        0 => Write(random.u32(..3)),
                        1 => Swap(random.u32(..3), random.u32(..3), random.bool()),
                        _ => Read(random.u32(..3)),
                    },
                })
                .collect();
            let expected = is_legal_by_force(0, &calls.iter().collect::<Vec<_>>());
            assert_eq!(linearize::<Register>(0, &calls).is_ok(), expected, "{calls:?}");
            legal += usize::from(expected);
        }
        assert!((2_000..18_000).contains(&legal), "{legal} of 20,000 are legal");
    }
}
