//! What one socket waits for after what its owner and the runtime do.

use super::*;

/// A selector with one socket that a read has emptied, and nobody waits for.
fn drained() -> (Selector, Registration) {
    let selector = Selector::default();
    let socket = selector.register(1_000, Token(0), Kind::Stream);
    if let Some(socket) = lock(&selector.state).sockets.get_mut(0) {
        (socket.waits_to_read, socket.waits_to_write) = (false, false);
    }
    socket.mark_drained();
    (selector, socket)
}

fn asked(state: &mut State, now: Instant) -> Vec<u8> {
    state.plan(&mut Vec::new(), Some(Duration::ZERO), now, |_| false);
    let tags = state.subscriptions.0.iter().map(|subscription| subscription.u.tag);
    tags.filter(|tag| *tag != wasi::EVENTTYPE_CLOCK).collect()
}

#[test]
fn a_socket_that_is_closed_is_read_to_its_error() {
    let (selector, socket) = drained();
    let mut result = wasi::Event::empty();
    result.type_ = wasi::EVENTTYPE_FD_READ;
    result.fd_readwrite.flags = wasi::EVENTRWFLAGS_FD_READWRITE_HANGUP;
    let mut events = Vec::new();
    lock(&selector.state).results = vec![result];
    lock(&selector.state).take_results(&mut events, Instant::now());
    assert!(events[0].closed);
    socket.mark_drained();
    assert!(!socket.wait_if_drained(), "tokio would try again at once, and for ever");
}

#[test]
fn who_waits_to_write_hears_of_bytes_as_well() {
    let (selector, socket) = drained();
    let mut state = lock(&selector.state);
    assert!(asked(&mut state, Instant::now()).is_empty());
    state.sockets.wait(socket.index, Direction::Write);
    let both = [wasi::EVENTTYPE_FD_READ, wasi::EVENTTYPE_FD_WRITE];
    assert_eq!(asked(&mut state, Instant::now()), both);
    drop(state);
}

#[test]
fn what_was_known_before_the_process_was_stopped_does_not_count() {
    let (selector, socket) = drained();
    let now = Instant::now();
    assert!(asked(&mut lock(&selector.state), now).is_empty());
    assert!(asked(&mut lock(&selector.state), now + Duration::from_secs(60)).is_empty());
    assert!(!socket.wait_if_drained(), "the next read is a real one");
}

#[test]
fn sockets_wait_for_what_their_operations_left_undone() {
    let selector = Selector::default();
    let socket = selector.register(1_000, Token(0), Kind::Stream);
    let waits = || {
        let mut state = lock(&selector.state);
        assert!(state.plan(&mut Vec::new(), None, Instant::now(), |_| false));
        state.subscriptions.0.iter().map(|subscription| subscription.u.tag).collect::<Vec<_>>()
    };
    let both = [wasi::EVENTTYPE_FD_READ, wasi::EVENTTYPE_FD_WRITE];
    assert_eq!(waits(), both, "a new socket waits for both");
    if let Some(socket) = lock(&selector.state).sockets.get_mut(0) {
        (socket.waits_to_read, socket.waits_to_write) = (false, false);
    }
    assert!(waits().is_empty());
    socket.would_block(Direction::Write);
    assert_eq!(waits(), [wasi::EVENTTYPE_FD_WRITE]);
    socket.mark_drained();
    assert_eq!(waits(), [wasi::EVENTTYPE_FD_WRITE], "its owner does not read");
    assert!(socket.wait_if_drained());
    assert_eq!(waits(), both, "now it does");
}
