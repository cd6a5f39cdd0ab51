//! What one socket waits for after what its owner and the runtime do.

use super::*;

const BOTH: [u8; 2] = [wasi::EVENTTYPE_FD_READ, wasi::EVENTTYPE_FD_WRITE];

/// A selector with one socket.
fn one_socket() -> (Selector, Registration) {
    let selector = Selector::default();
    let socket = selector.register(1_000, Token(0), Kind::Stream);
    (selector, socket)
}

/// The same, and nobody waits for it.
fn idle() -> (Selector, Registration) {
    let (selector, socket) = one_socket();
    if let Some(socket) = lock(&selector.state).sockets.get_mut(socket.index) {
        (socket.waits_to_read, socket.waits_to_write) = (false, false);
    }
    (selector, socket)
}

/// What the next call asks about.
fn asked(selector: &Selector, now: Instant) -> Vec<u8> {
    let mut state = lock(&selector.state);
    assert!(state.plan(&mut Vec::new(), None, now, |_| false));
    let tags = state.subscriptions.0.iter().map(|subscription| subscription.u.tag);
    tags.filter(|tag| *tag != wasi::EVENTTYPE_CLOCK).collect()
}

#[test]
fn a_socket_that_is_closed_is_read_to_its_error() {
    let (selector, socket) = idle();
    socket.mark_drained();
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
    let (selector, socket) = idle();
    socket.mark_drained();
    assert!(asked(&selector, Instant::now()).is_empty());
    socket.would_block(Direction::Write);
    assert_eq!(asked(&selector, Instant::now()), BOTH);
}

#[test]
fn what_was_known_before_the_process_was_stopped_does_not_count() {
    let (selector, socket) = idle();
    socket.mark_drained();
    let now = Instant::now();
    assert!(asked(&selector, now).is_empty());
    assert!(asked(&selector, now + Duration::from_secs(60)).is_empty());
    assert!(!socket.wait_if_drained(), "the next read is a real one");
}

#[test]
fn a_new_socket_waits_for_both() {
    let (selector, _socket) = one_socket();
    assert_eq!(asked(&selector, Instant::now()), BOTH);
}

#[test]
fn sockets_wait_for_what_their_operations_left_undone() {
    let (selector, socket) = idle();
    let waits = || asked(&selector, Instant::now());
    assert!(waits().is_empty());
    socket.would_block(Direction::Write);
    assert_eq!(waits(), [wasi::EVENTTYPE_FD_WRITE]);
    socket.mark_drained();
    assert_eq!(waits(), [wasi::EVENTTYPE_FD_WRITE], "its owner does not read");
    assert!(socket.wait_if_drained());
    assert_eq!(waits(), BOTH, "now it does");
}
