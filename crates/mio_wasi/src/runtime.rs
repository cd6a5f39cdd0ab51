//! The call into WasmEdge that waits, and what to do when it is interrupted.

use std::io;
use std::time::Duration;

use wasmedge_wasi_socket::wasi_poll as wasi;

/// Asks about one direction of a socket; `index` comes back with the answer.
pub(crate) fn socket_subscription(
    index: usize,
    descriptor: wasi::Fd,
    tag: wasi::Eventtype,
) -> wasi::Subscription {
    let socket = wasi::SubscriptionFdReadwrite { file_descriptor: descriptor };
    wasi::Subscription {
        userdata: index as wasi::Userdata,
        u: wasi::SubscriptionU { tag, u: wasi::SubscriptionUU { fd_read: socket } },
    }
}

/// Ends the wait after `timeout`.
pub(crate) fn clock_subscription(timeout: Duration) -> wasi::Subscription {
    // Zero would never ring: it stops the timer that the runtime uses.
    let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX).max(1);
    let clock = wasi::SubscriptionClock {
        id: wasi::CLOCKID_MONOTONIC,
        timeout: nanoseconds,
        precision: 0,
        flags: 0,
    };
    wasi::Subscription {
        userdata: wasi::Userdata::MAX,
        u: wasi::SubscriptionU { tag: wasi::EVENTTYPE_CLOCK, u: wasi::SubscriptionUU { clock } },
    }
}

/// Waits for the first of `subscriptions`, and puts what there is to say of them into `results`.
pub(crate) fn poll(
    subscriptions: &[wasi::Subscription],
    results: &mut Vec<wasi::Event>,
) -> io::Result<()> {
    results.clear();
    results.resize(subscriptions.len(), wasi::Event::empty());
    // SAFETY: there is room for one result per subscription, which is the most that the call writes.
    let count =
        unsafe { wasi::poll(subscriptions.as_ptr(), results.as_mut_ptr(), subscriptions.len()) }?;
    results.truncate(count);
    Ok(())
}

/// A read from this socket would not wait: there are bytes, an end or an error.
pub(crate) fn has_something_to_read(descriptor: wasi::Fd) -> bool {
    let mut byte = [0_u8];
    let buffer = wasi_preview1::Iovec { buf: byte.as_mut_ptr(), buf_len: byte.len() };
    // SAFETY: the buffer is as long as it says, and outlives the call.
    let peeked = unsafe {
        wasi_preview1::sock_recv(descriptor, &[buffer], wasi_preview1::RIFLAGS_RECV_PEEK)
    };
    peeked != Err(wasi_preview1::ERRNO_AGAIN)
}

/// How many bytes a write to `descriptor` takes without blocking.
///
/// A pipe with room takes at least 4,096 (POSIX, `PIPE_BUF`). A regular file takes all that there is, as does what cannot
/// be waited for. After an error it is all as well: the write will meet it.
pub fn writable_bytes(descriptor: u32) -> usize {
    const PIPE_BUF: usize = 4_096;
    // SAFETY: the call takes a number and writes to nothing but its result.
    let status = unsafe { wasi_preview1::fd_fdstat_get(descriptor) };
    if status.is_ok_and(|status| status.fs_filetype == wasi_preview1::FILETYPE_REGULAR_FILE) {
        return usize::MAX;
    }
    let subscriptions = [
        socket_subscription(0, descriptor, wasi::EVENTTYPE_FD_WRITE),
        clock_subscription(Duration::ZERO),
    ];
    let mut results = Vec::new();
    if poll(&subscriptions, &mut results).is_err() {
        return usize::MAX;
    }
    if results.iter().any(|result| is_interruption(result.error)) {
        clean_up(&mut results);
        return 0;
    }
    match results.iter().any(|result| result.type_ != wasi::EVENTTYPE_CLOCK) {
        true => PIPE_BUF,
        false => 0,
    }
}

/// A signal came in between, or did so in the call before.
pub(crate) fn is_interruption(error: wasi::Errno) -> bool {
    const EXIST: wasi::Errno = 20;
    const INTR: wasi::Errno = 27;
    error == INTR || error == EXIST
}

/// Makes WasmEdge forget the subscriptions of an interrupted call.
///
/// Its poller keeps them, with pointers into the results of that call, and refuses the same sockets in the next call as
/// already there. A call with one timer and no socket makes it drop them all, and is short enough for those pointers to
/// stay within memory that the poller owns.
pub(crate) fn clean_up(results: &mut Vec<wasi::Event>) {
    let _ = poll(&[clock_subscription(Duration::ZERO)], results);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_call_is_told_from_others() {
        assert!(is_interruption(27) && is_interruption(20));
        assert!(!is_interruption(0) && !is_interruption(8));
    }
}
