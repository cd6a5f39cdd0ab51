//! What clients do with the server: each has a connection of its own, and asks again as soon as it has an answer.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use e2e::Client;

use crate::crash::{Random, Writer};

/// Does all that the API offers until there is no answer. The time of each answer is put into `latencies`.
pub fn use_server(
    address: SocketAddr,
    writer: &mut Writer,
    seed: u64,
    room: usize,
    latencies: &Mutex<Vec<Duration>>,
    stop: &AtomicBool,
) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut client = Client::connect(address);
    let mut ask = |method: &str, target: &str, headers: &[&str], body: &[u8]| {
        let begun = Instant::now();
        let answer = client.try_request(method, target, headers, body)?;
        latencies.lock().unwrap().push(begun.elapsed());
        Some(answer)
    };
    while !stop.load(Ordering::Relaxed) {
        let (kind, any) = (random.below(10), writer.any(&mut random));
        let target = match (kind, any) {
            (4..6, Some(id)) => {
                if writer.read(id, &mut ask).is_none() {
                    return;
                }
                continue;
            }
            (6, _) => format!("/api/todos?limit=20&offset={}", random.below(2_000)),
            (7, _) => format!("/api/todos?q=says+{}&limit=20", random.below(100)),
            (8, _) => "/api/todos?completed=true&sort=-title&limit=20".to_owned(),
            (9, _) => "/health".to_owned(),
            _ => {
                if writer.change(seed, room, &mut random, &mut ask).is_none() {
                    return;
                }
                continue;
            }
        };
        let Some(answer) = ask("GET", &target, &[], b"") else { return };
        assert_eq!(answer.status, 200, "{target}");
        if kind != 9 {
            assert!(answer.json()["todos"].as_array().unwrap().len() <= 20, "{target}");
        }
    }
}

/// Reads events until the connection ends, and tells how many came.
pub fn read_events(address: SocketAddr) -> usize {
    let mut client = Client::connect(address);
    client.send_request("GET", "/api/todos/events", &[], b"");
    assert_eq!(client.response_head().status, 200);
    let mut events = 0;
    loop {
        let bytes = client.read_once();
        if bytes.is_empty() {
            return events;
        }
        events += bytes.windows(7).filter(|bytes| bytes == b"event: ").count();
    }
}
