//! Many clients that misbehave in the same way.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use e2e::{Client, Server};

/// How clients misbehave.
#[derive(Clone)]
pub struct Kind {
    /// What each sends at first, as far as the server takes it.
    opening: Vec<u8>,
    /// What each sends twice per second from then on.
    drip: &'static str,
    /// They have small buffers, so that the server notices that they do not read.
    reads_nothing: bool,
    /// Where they come from.
    source: IpAddr,
}

impl Kind {
    fn new(opening: impl Into<Vec<u8>>, drip: &'static str) -> Self {
        let source = Ipv4Addr::LOCALHOST.into();
        Self { opening: opening.into(), drip, reads_nothing: false, source }
    }

    /// Heads that do not end.
    pub fn slow_heads() -> Self {
        Self::new("GET /health HTTP/1.1\r\nHost: test\r\nX-Slow: ", "x")
    }

    /// Bodies that do not end.
    pub fn slow_bodies() -> Self {
        Self::new("POST /api/todos HTTP/1.1\r\nHost: test\r\nContent-Length: 6000\r\n\r\n", " ")
    }

    /// They ask for all todos, and take nothing of the answer.
    pub fn slow_readers() -> Self {
        let opening = "GET /api/todos HTTP/1.1\r\nHost: test\r\n\r\n".repeat(10);
        Self { reads_nothing: true, ..Self::new(opening, "") }
    }

    /// One request, and then nothing.
    pub fn idle() -> Self {
        Self::new("GET /health HTTP/1.1\r\nHost: test\r\n\r\n", "")
    }

    /// The longest head and the longest body, but for the last byte.
    pub fn largest_requests() -> Self {
        let frame =
            "POST /api/todos HTTP/1.1\r\nHost: test\r\nContent-Length: 65536\r\nX-Long: \r\n\r\n";
        let long = "x".repeat(16_384 - frame.len());
        let mut opening = frame.replace("Long: ", &format!("Long: {long}")).into_bytes();
        opening.extend([b' '; 65_535]);
        Self::new(opening, "")
    }

    /// The same from another address of this machine, of the network 127.
    pub fn from(self, last: u8) -> Self {
        Self { source: IpAddr::from([127, 0, 0, last]), ..self }
    }
}

/// Clients that are connected, until this is dropped.
pub struct Crowd {
    /// All of them. Those that the server has refused or cut off are there as well.
    pub clients: Arc<Mutex<Vec<Client>>>,
    leaves: Arc<AtomicBool>,
    dripping: Option<JoinHandle<()>>,
}

impl Crowd {
    /// Connects `count` clients. If it is `persistent`, those that were cut off come again.
    pub fn gather(server: &Server, kind: &Kind, count: usize, persistent: bool) -> Self {
        let (address, kind) = (server.address(), kind.clone());
        let enter = move |kind: &Kind| {
            let mut client = match kind.reads_nothing {
                true => Client::connect_with_buffers(address, 4_096),
                false => Client::connect_from(kind.source, address),
            };
            client.send_until_blocked(&kind.opening);
            client
        };
        let clients: Arc<Mutex<Vec<_>>> =
            Arc::new(Mutex::new((0..count).map(|_| enter(&kind)).collect()));
        let leaves = Arc::new(AtomicBool::new(false));
        let dripping = thread::spawn({
            let (clients, leaves) = (clients.clone(), leaves.clone());
            move || {
                while !leaves.load(Ordering::Relaxed) {
                    for client in clients.lock().unwrap().iter_mut() {
                        if !client.try_send(kind.drip) && persistent {
                            *client = enter(&kind);
                        }
                    }
                    thread::sleep(Duration::from_millis(500));
                }
            }
        });
        Self { clients, leaves, dripping: Some(dripping) }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.leaves.store(true, Ordering::Relaxed);
        let joined = self.dripping.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(joined, Some(Ok(()))), "the crowd went on");
    }
}
