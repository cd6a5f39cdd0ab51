//! The selector against a world of sockets that become ready, are read, and come and go.

mod one_socket;

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// The longest that tokio's tasks take between two calls in these histories.
const TURN: Duration = Duration::from_millis(1);

/// A selector and the sockets that it looks after.
struct World {
    state: State,
    now: Instant,
    sockets: Vec<Option<Connection>>,
    asked_at: Instant,
}

#[derive(Clone, Copy)]
struct Connection {
    index: usize,
    /// When bytes came that were not read yet.
    readable_since: Option<Instant>,
    /// When its owner began to wait for them.
    waits_since: Option<Instant>,
    /// After the next read its owner has something else to do.
    is_served: bool,
}

#[derive(Clone, Debug)]
enum Step {
    /// Another connection.
    Open,
    /// One of them ends.
    Close(usize),
    /// Bytes come for one of them.
    Receive(usize),
    /// Bytes come for several of the first ones, as under load.
    Load(usize),
    /// What one of them sends next is a request that takes long.
    Serve(usize),
    /// It is answered.
    Answer(usize),
    /// tokio waits, at most for so many milliseconds.
    Wait(Option<u64>),
    /// The same after a wake-up.
    Wake,
    /// Time passes.
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => Just(Step::Open),
        1 => any::<usize>().prop_map(Step::Close),
        6 => any::<usize>().prop_map(Step::Receive),
        6 => (1_usize..8).prop_map(Step::Load),
        3 => any::<usize>().prop_map(Step::Serve),
        3 => any::<usize>().prop_map(Step::Answer),
        10 => proptest::option::of(0_u64..200).prop_map(Step::Wait),
        1 => Just(Step::Wake),
        1 => (1_u64..300).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 1..250)
}

impl World {
    fn new(connections: usize) -> Self {
        let now = Instant::now();
        let mut world = Self { state: State::default(), now, sockets: Vec::new(), asked_at: now };
        (0..connections).for_each(|_| world.open());
        world
    }

    fn open(&mut self) {
        let number = self.sockets.len();
        let index = self.state.register(number as u32, Token(number), Kind::Stream);
        // As tokio does: nobody waits to write.
        self.state.sockets.get_mut(index).unwrap().waits_to_write = false;
        let waits_since = Some(self.now);
        let connection = Connection { index, readable_since: None, waits_since, is_served: false };
        self.sockets.push(Some(connection));
    }

    /// One of those that are open.
    fn pick(&self, choice: usize) -> Option<usize> {
        let open: Vec<_> = (0..self.sockets.len()).filter(|n| self.sockets[*n].is_some()).collect();
        (!open.is_empty()).then(|| open[choice % open.len()])
    }

    fn receive(&mut self, number: usize) {
        let now = self.now;
        if let Some(connection) = &mut self.sockets[number] {
            connection.readable_since.get_or_insert(now);
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Open => self.open(),
            Step::Close(choice) => {
                if let Some(number) = self.pick(*choice) {
                    let connection = self.sockets[number].take().unwrap();
                    self.state.sockets.remove(connection.index);
                }
            }
            Step::Receive(choice) => {
                if let Some(number) = self.pick(*choice) {
                    self.receive(number);
                }
            }
            Step::Load(count) => (0..*count).for_each(|n| {
                if let Some(number) = self.pick(n) {
                    self.receive(number);
                }
            }),
            Step::Serve(choice) => {
                if let Some(number) = self.pick(*choice) {
                    self.sockets[number].as_mut().unwrap().is_served = true;
                }
            }
            Step::Answer(choice) => {
                if let Some(number) = self.pick(*choice) {
                    self.answer(number);
                }
            }
            Step::Wait(limit) => self.wait(limit.map(Duration::from_millis)),
            Step::Wake => {
                self.state.woken = true;
                self.wait(None);
            }
            Step::Pass(milliseconds) => {
                self.now += Duration::from_millis(*milliseconds);
                self.wait(Some(Duration::ZERO));
            }
        }
    }

    /// One call of `select`, and what tokio's tasks do then.
    fn wait(&mut self, limit: Option<Duration>) {
        let mut events = Vec::new();
        let sockets = &self.sockets;
        let has_bytes = |descriptor: u32| {
            sockets[descriptor as usize].is_some_and(|socket| socket.readable_since.is_some())
        };
        if self.state.plan(&mut events, limit, self.now, has_bytes) {
            self.ask();
            self.asked_at = self.now;
            self.state.take_results(&mut events, self.now);
        }
        self.check_delays(&events);
        for event in events {
            self.read(event.token.0);
        }
        self.now += TURN;
        assert!(self.now - self.asked_at <= GUESSING_TIME + 2 * TURN, "others are not asked about");
    }

    /// Answers like the runtime, and checks the question.
    fn ask(&mut self) {
        let mut asked = HashMap::new();
        let mut timeout = None;
        for subscription in &self.state.subscriptions.0 {
            if subscription.u.tag == wasi::EVENTTYPE_CLOCK {
                // SAFETY: the tag says which one it is.
                let clock = unsafe { subscription.u.u.clock };
                timeout = Some(Duration::from_nanos(clock.timeout));
                continue;
            }
            assert_eq!(subscription.u.tag, wasi::EVENTTYPE_FD_READ, "nobody waits to write");
            let index = subscription.userdata as usize;
            assert!(asked.insert(index, ()).is_none(), "it is asked about twice");
            let socket = self.state.sockets.get_mut(index).unwrap();
            assert!(socket.waits_to_read, "it waits for nothing");
        }
        let waiting = self.sockets.iter().flatten().filter(|one| one.waits_since.is_some());
        if timeout.is_none_or(|timeout| timeout > STEP_TIME) {
            let forgotten = waiting.filter(|one| !asked.contains_key(&one.index)).count();
            assert_eq!(forgotten, 0, "sockets are left out of a wait of {timeout:?}");
        }
        let is_ready =
            |one: &&Connection| one.readable_since.is_some() && asked.contains_key(&one.index);
        let results = self.sockets.iter().flatten().filter(is_ready).map(|one| {
            let mut result = wasi::Event::empty();
            (result.userdata, result.type_) = (one.index as u64, wasi::EVENTTYPE_FD_READ);
            result
        });
        self.state.results = results.collect();
        if self.state.results.is_empty() {
            let mut result = wasi::Event::empty();
            result.type_ = wasi::EVENTTYPE_CLOCK;
            self.state.results.push(result);
            self.now += timeout.unwrap_or_default();
        }
    }

    /// Nobody who waits is kept waiting although there is something.
    fn check_delays(&self, events: &[Event]) {
        let told: HashMap<_, _> = events.iter().map(|event| (event.token.0, ())).collect();
        for (number, connection) in self.sockets.iter().enumerate() {
            let Some(Connection {
                readable_since: Some(readable), waits_since: Some(waits), ..
            }) = *connection
            else {
                continue;
            };
            let kept = self.now - readable.max(waits);
            let few = self.sockets.len() <= MIN_WARM;
            let round = LOOK_TIME * self.sockets.len() as u32;
            let limit = if few { GUESSING_TIME } else { round + STEP_TIME };
            // Time that passes all at once is over before anybody can be asked about.
            let asked_in_time = self.now - self.asked_at <= limit && kept <= limit + 2 * TURN;
            assert!(
                told.contains_key(&number) || asked_in_time,
                "connection {number} has waited for {kept:?}"
            );
        }
    }

    /// The owner has an answer, and waits for the next request.
    fn answer(&mut self, number: usize) {
        let now = self.now;
        let Some(connection) = &mut self.sockets[number] else { return };
        connection.is_served = false;
        if connection.waits_since.is_none() {
            connection.waits_since = Some(now);
            self.state.guesses.written(connection.index);
            assert!(self.state.sockets.wait_if_drained(connection.index));
        }
    }

    /// The owner reads, and waits for more or serves a request.
    fn read(&mut self, number: usize) {
        let State { sockets, guesses, .. } = &mut self.state;
        let Some(connection) = &mut self.sockets[number] else { return };
        let index = connection.index;
        if sockets.wait_if_drained(index) {
            return;
        }
        if connection.readable_since.take().is_none() {
            sockets.wait(index, Direction::Read);
            return;
        }
        guesses.found();
        sockets.mark_drained(index);
        connection.waits_since = None;
        if !connection.is_served {
            self.answer(number);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn nobody_is_forgotten(connections in 0_usize..180, steps in steps()) {
        let mut world = World::new(connections);
        for step in &steps {
            world.step(step);
        }
        // At last all of it is told.
        (0..world.sockets.len()).for_each(|number| world.answer(number));
        for _ in 0..200 {
            world.wait(Some(Duration::ZERO));
        }
        let left = world.sockets.iter().flatten().filter(|one| one.readable_since.is_some());
        prop_assert_eq!(left.count(), 0);
    }
}

#[test]
fn idle_sockets_become_cold_and_are_asked_about_in_turn() {
    let mut world = World::new(1_000);
    // One client keeps the server at work.
    for _ in 0..300 {
        world.receive(0);
        world.wait(Some(Duration::ZERO));
    }
    let asked = |world: &World| world.state.subscriptions.0.len();
    assert_eq!(world.state.sockets.cold(), 1_000 - MIN_WARM);
    assert!(asked(&world) < 200, "{}", asked(&world));
    world.receive(999);
    (0..60).for_each(|_| world.wait(Some(Duration::ZERO)));
    assert!(world.sockets[999].unwrap().readable_since.is_none(), "it was read");
}

#[test]
fn when_nothing_happens_all_are_asked_about() {
    let mut world = World::new(1_000);
    (0..1_200).for_each(|_| world.wait(Some(Duration::ZERO)));
    assert!(world.state.sockets.cold() > 0);
    world.wait(None);
    assert_eq!(world.state.subscriptions.0.len(), 1_000);
}

#[test]
fn what_came_while_the_process_was_stopped_is_told_at_once() {
    let mut world = World::new(1_000);
    for _ in 0..300 {
        world.receive(0);
        world.wait(Some(Duration::ZERO));
    }
    assert!(world.state.sockets.cold() > 0);
    (0..1_000).for_each(|number| world.receive(number));
    world.now += Duration::from_secs(60);
    // Deadlines have passed, and a task is to be looked after.
    world.state.woken = true;
    world.wait(Some(Duration::ZERO));
    assert!(world.sockets.iter().flatten().all(|one| one.readable_since.is_none()));
}

#[test]
fn guesses_end_when_half_of_them_fail() {
    let mut world = World::new(4);
    let load = |world: &mut World, count| (0..count).for_each(|number| world.receive(number));
    let guessed = |world: &mut World| {
        let mut events = Vec::new();
        let asked = world.state.plan(&mut events, None, world.asked_at, |_| false);
        events.iter().for_each(|event| world.read(event.token.0));
        (events.len(), asked)
    };
    load(&mut world, 4);
    world.wait(None);
    load(&mut world, 3);
    assert_eq!(guessed(&mut world), (4, false));
    load(&mut world, 1);
    assert_eq!(guessed(&mut world), (3, false), "three of four were right");
    assert_eq!(guessed(&mut world), (0, true), "one of three was right");
}

#[test]
fn a_listener_stays_warm() {
    let mut world = World::new(0);
    // In front of the others: the last ones stay warm anyway.
    let listener = world.state.register(9_999, Token(9_999), Kind::Listener);
    (0..200).for_each(|_| world.open());
    (0..300).for_each(|_| world.wait(Some(Duration::ZERO)));
    let mut warm = Vec::new();
    world.state.sockets.visit_warm(|index, _| warm.push(index));
    assert!(warm.contains(&listener) && warm.len() <= MIN_WARM + 1, "{warm:?}");
}

#[test]
fn a_wait_that_was_woken_returns_at_once() {
    let selector = Selector::default();
    let mut events = Vec::new();
    selector.wake();
    let start = Instant::now();
    selector.select(&mut events, Some(Duration::from_secs(3_600)));
    assert!(events.is_empty() && start.elapsed() < Duration::from_secs(60));
    selector.select(&mut events, Some(Duration::from_millis(20)));
    assert!(start.elapsed() >= Duration::from_millis(20), "it was woken once");
}

#[test]
fn places_are_used_again() {
    let selector = Selector::default();
    let mut sockets: Vec<_> =
        (0..3).map(|n| selector.register(n, Token(n as usize), Kind::Stream)).collect();
    sockets.remove(1);
    let again = selector.register(2_000, Token(7), Kind::Stream);
    assert_eq!(again.index, 1);
    let mut state = lock(&selector.state);
    let mut places = Vec::new();
    state.sockets.visit_warm(|index, _| places.push(index));
    assert_eq!(places, [0, 1, 2], "none twice");
}
