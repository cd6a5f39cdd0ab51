//! Bytes that are nearly HTTP, from many connections: whatever comes, answers are well-formed, nothing is taken for a request
//! that a strict reader does not take for one, and the server goes on.
//!
//! `WIRE_CONNECTIONS` in the environment sets the number of connections, and `WIRE_SEED` what they send; `make fuzz-wire` sets
//! the first.

mod answers;
mod mutations;
mod nginx;
mod patterns;

use std::collections::BTreeMap;
use std::env;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use e2e::Server;
use fastrand::Rng;

use answers::Answer;

const CLIENTS: usize = 4;

/// How many connections there are: what the environment says, or what a test can do in some seconds.
fn connections(usual: usize) -> usize {
    env::var("WIRE_CONNECTIONS").map_or(usual, |count| count.parse().expect("a number"))
}

fn seed() -> u64 {
    env::var("WIRE_SEED").map_or(1, |seed| seed.parse().expect("a number"))
}

type Inputs = Vec<Vec<u8>>;

/// What the connection with this number sends. The first ones send every pattern as it is.
fn input(number: usize) -> (Vec<u8>, Rng) {
    let mut random = Rng::with_seed(seed() << 32 | number as u64);
    static SENT: LazyLock<(Inputs, Inputs)> =
        LazyLock::new(|| (patterns::patterns(), patterns::requests()));
    let (patterns, requests) = &*SENT;
    let mut bytes = match patterns.get(number) {
        Some(pattern) => pattern.clone(),
        None if random.bool() => {
            let pattern = patterns[random.usize(..patterns.len())].clone();
            mutations::mutate(&mut random, pattern)
        }
        None => {
            let parts = 0..random.usize(1..=3);
            let mut one = || requests[random.usize(..requests.len())].clone();
            let bytes = parts.flat_map(|_| one()).collect();
            mutations::mutate(&mut random, bytes)
        }
    };
    // A server that goes on where it must not answers this.
    bytes.extend_from_slice(b"GET /behind HTTP/1.1\r\nHost: test\r\n\r\n");
    (bytes, random)
}

/// Sends `bytes` in some pieces, tells that this is all, and reads until the server closes.
fn exchange(address: SocketAddr, bytes: &[u8], random: &mut Rng) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the server accepts");
    stream.set_nodelay(true).expect("a socket");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = if random.bool() { rest.len() } else { random.usize(1..=rest.len()) };
        // The server may have closed.
        if stream.write_all(&rest[..length]).is_err() {
            break;
        }
        rest = &rest[length..];
        if random.u8(..4) == 0 {
            thread::sleep(Duration::from_micros(200));
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    let mut received = Vec::new();
    match stream.read_to_end(&mut received) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => {
            panic!("neither an answer nor an end: {error}, {}", shown(bytes));
        }
        _ => received,
    }
}

/// Has several clients do something with each number.
fn for_each(count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while let Some(number) = Some(next.fetch_add(1, Relaxed)).filter(|n| *n < count) {
                    work(number);
                }
            });
        }
    });
}

fn shown(bytes: &[u8]) -> String {
    let text = bytes[..bytes.len().min(2_000)].escape_ascii();
    text.to_string().replace("\\r\\n", "\\r\\n\n")
}

fn server() -> Server {
    // A store that is soon full, as lists are part of what is asked for.
    let builder = Server::builder().set("DATABASE_URL", "memory:").set("MAX_STORE_BYTES", 20_000);
    builder.start()
}

/// The lines of requests in the server's access log, by their ids: method and target. `-` stands for what is not known.
fn access_log(server: &Server) -> Vec<(String, String, String)> {
    server.connect().get("/the-end-of-the-log");
    server.wait_for_log("/the-end-of-the-log", 1);
    let mut lines = Vec::new();
    for line in server.output().lines() {
        let words: Vec<_> = line.split(' ').collect();
        if let [_, status, _, _, method, target, id] = words[..]
            && status.len() == 3
            && target != "/the-end-of-the-log"
        {
            lines.push((id.to_owned(), method.to_owned(), target.to_owned()));
        }
    }
    lines
}

/// Of a long method the log has the start.
fn is_logged_as(method: &str, logged: &str) -> bool {
    logged.strip_suffix("...").map_or(method == logged, |start| method.starts_with(start))
}

#[test]
fn nothing_is_taken_for_a_request_that_is_none() {
    let server = server();
    let count = connections(2_000);
    assert!(count > patterns::patterns().len(), "not even every pattern");
    let (answered, found) = (Mutex::new(Vec::<Answer>::new()), Mutex::new(Vec::new()));
    for_each(count, |number| {
        let (bytes, mut random) = input(number);
        let received = exchange(server.address(), &bytes, &mut random);
        match answers::check(&bytes, &received) {
            Ok(answers) => answered.lock().unwrap().extend(answers),
            Err(error) => found.lock().unwrap().push(format!(
                "connection {number} of seed {}: {error}\n--- sent\n{}\n--- received\n{}",
                seed(),
                shown(&bytes),
                shown(&received)
            )),
        }
        assert_eq!(server.connect().get("/livez").status, 200, "after connection {number}");
    });
    let found = found.into_inner().unwrap();
    assert!(
        found.is_empty(),
        "{} findings, of which the first\n{}",
        found.len(),
        found[..found.len().min(5)].join("\n\n")
    );
    let answered = answered.into_inner().unwrap();
    let log = access_log(&server);
    assert_eq!(log.len(), answered.len() + count, "requests in the log, and answers");
    let log: BTreeMap<_, _> =
        log.iter().map(|(id, method, target)| (id, (method, target))).collect();
    let mut statuses = BTreeMap::<u16, usize>::new();
    for Answer { status, id, request } in &answered {
        *statuses.entry(*status).or_default() += 1;
        let (method, target) = log[id];
        let Some(seen) = request else { continue };
        // What is refused unread has neither; long targets and other forms are not logged as they are.
        let is_plain = seen.target.starts_with('/') && !seen.target.contains('#');
        if method != "-" && is_plain && seen.target.len() < 500 {
            assert!(is_logged_as(&seen.method, method), "{seen:?} {method}");
            assert_eq!(seen.target, *target, "{status}");
        }
    }
    println!(
        "seed {}: {count} connections, {} answers by status: {statuses:?}",
        seed(),
        answered.len()
    );
    for status in [200, 201, 400, 404, 405, 413, 414, 431, 501] {
        assert!(statuses.contains_key(&status), "nothing was answered {status}");
    }
}
