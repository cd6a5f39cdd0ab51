//! Sockets that wait for something to read.

use std::os::fd::AsRawFd;

use wasmedge_wasi_socket::{TcpListener, TcpStream, wasi_poll as wasi};

use super::measure;

pub fn measure_all() {
    let listener = TcpListener::bind("127.0.0.1:0", false).expect("a port");
    let address = listener.local_addr().expect("an address");
    // The address reads as 0.0.0.0 in release builds; the port is right.
    let connect = || {
        let client = TcpStream::connect(("127.0.0.1", address.port())).expect("a connection");
        (client, listener.accept(true).expect("a connection").0)
    };
    let pairs: Vec<_> = (0..1_000).map(|_| connect()).collect();
    let sockets: Vec<_> = pairs.iter().map(|(_, server)| server.as_raw_fd() as wasi::Fd).collect();
    for count in [0, 10, 100, 1_000] {
        let asked = &sockets[..count];
        // The second call of each pair drops all sockets from WasmEdge's epoll set, the first adds them again.
        measure(&format!("poll_oneoff, {count} sockets, the same each time"), 200, 1, || {
            poll(asked);
        });
        if count > 0 {
            let name = format!("poll_oneoff, per socket of {count} that were not asked about before");
            measure(&name, 100, count, || {
                poll(asked);
                poll(&[]);
            });
        }
    }
    measure("read that finds nothing (sock_recv)", 10_000, 1, || {
        let mut buffer = [0];
        assert!(std::io::Read::read(&mut (&pairs[0].1), &mut buffer).is_err());
    });
}

/// Asks about reading, without waiting.
fn poll(sockets: &[wasi::Fd]) {
    let mut subscriptions: Vec<_> = sockets
        .iter()
        .map(|socket| wasi::Subscription {
            userdata: 0,
            u: wasi::SubscriptionU {
                tag: wasi::EVENTTYPE_FD_READ,
                u: wasi::SubscriptionUU {
                    fd_read: wasi::SubscriptionFdReadwrite { file_descriptor: *socket },
                },
            },
        })
        .collect();
    let clock = wasi::SubscriptionClock { id: wasi::CLOCKID_MONOTONIC, timeout: 1, precision: 0, flags: 0 };
    subscriptions.push(wasi::Subscription {
        userdata: 0,
        u: wasi::SubscriptionU { tag: wasi::EVENTTYPE_CLOCK, u: wasi::SubscriptionUU { clock } },
    });
    let mut events = vec![wasi::Event::empty(); subscriptions.len()];
    // SAFETY: there is room for one event per subscription.
    let result =
        unsafe { wasi::poll(subscriptions.as_ptr(), events.as_mut_ptr(), subscriptions.len()) };
    assert!(result.is_ok());
}
