//! What a client that behaves notices of a crowd, as figures. Nothing is asserted, as they depend on the machine.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use e2e::{Builder, Client, Server};

use super::crowd::{Crowd, Kind};
use super::{connections, fill};

/// How long each case is looked at.
const TIME: Duration = Duration::from_secs(6);

struct Case {
    name: &'static str,
    kind: Option<Kind>,
    connections: usize,
    server: fn() -> Builder,
}

fn server() -> Builder {
    // Short, so that crowds are cut off, all of them at about the same time, while others are served.
    let timeouts = ["HEAD_TIMEOUT_MS", "BODY_TIMEOUT_MS", "WRITE_TIMEOUT_MS"];
    let builder = Server::builder().set("ACCESS_LOG", "off").set("MAX_STORE_BYTES", 8_388_608);
    timeouts.iter().fold(builder, |builder, name| builder.set(name, 2_000))
}

fn roomy() -> Builder {
    server().set("MAX_CONNECTIONS", 65_536)
}

fn cases() -> Vec<Case> {
    let case = |name, kind, connections, server| Case { name, kind, connections, server };
    vec![
        case("nobody else", None, 0, server),
        case("slow heads, room for all", Some(Kind::slow_heads()), 2_000, roomy),
        case("slow heads", Some(Kind::slow_heads()), 2_000, server),
        case("slow heads of one client", Some(Kind::slow_heads().from(2)), 2_000, || {
            server().set("MAX_CONNECTIONS_PER_CLIENT", 100)
        }),
        case("slow bodies, room for all", Some(Kind::slow_bodies()), 2_000, roomy),
        case("slow bodies", Some(Kind::slow_bodies()), 2_000, server),
        case("lists that are not read", Some(Kind::slow_readers()), 500, server),
        case("idle", Some(Kind::idle()), 10_000, roomy),
        case("64 descriptors", Some(Kind::slow_heads()), 150, || server().max_descriptors(64)),
        case("largest requests", Some(Kind::largest_requests()), 1_000, server),
    ]
}

#[derive(Default)]
struct Seen {
    /// Milliseconds of each answer to the client that stays.
    times: Vec<f64>,
    /// How it was answered, and how new clients were.
    statuses: [BTreeMap<String, usize>; 2],
}

/// The status of an answer, or that there was none.
fn ask(client: Option<&mut Client>) -> String {
    let answer = client.and_then(|client| client.try_request("GET", "/api/todos/1", &[], b""));
    answer.map_or("closed".to_owned(), |answer| answer.status.to_string())
}

fn behave(address: SocketAddr, known: &mut Client) -> Seen {
    let mut seen = Seen::default();
    let (answered, answers) = mpsc::channel();
    let begun = Instant::now();
    for number in 0.. {
        if begun.elapsed() > TIME {
            break;
        }
        let asked = Instant::now();
        *seen.statuses[0].entry(ask(Some(known))).or_default() += 1;
        seen.times.push(asked.elapsed().as_secs_f64() * 1e3);
        // It may wait in the system's queue for as long as the crowd is there.
        if number % 20 == 0 {
            let answered = answered.clone();
            thread::spawn(move || answered.send(ask(Client::try_connect(address).as_mut())));
            *seen.statuses[1].entry("waiting".to_owned()).or_default() += 1;
        }
        thread::sleep(Duration::from_millis(1));
    }
    for answer in answers.try_iter() {
        *seen.statuses[1].entry(answer).or_default() += 1;
        seen.statuses[1].entry("waiting".to_owned()).and_modify(|count| *count -= 1);
    }
    seen.statuses[1].retain(|_, count| *count > 0);
    seen
}

/// One run: p50, p99 and the longest time in milliseconds, share of a processor, MiB; and what was answered.
fn run(case: &Case) -> ([f64; 5], [BTreeMap<String, usize>; 2]) {
    let server = (case.server)().start();
    fill(&server, 7_000_000);
    let mut known = server.connect();
    assert_eq!(known.get("/health").status, 200);
    let crowd = case
        .kind
        .as_ref()
        .map(|kind| Crowd::gather(&server, kind, connections(case.connections), true));
    let (ticks, begun) = (server.cpu_ticks(), Instant::now());
    let mut seen = behave(server.address(), &mut known);
    let share = (server.cpu_ticks() - ticks) as f64 / begun.elapsed().as_secs_f64() / 100.0;
    let memory = server.private_memory() as f64 / 1_048_576.0;
    drop(crowd);
    seen.times.sort_unstable_by(f64::total_cmp);
    let within = |share: f64| seen.times[((seen.times.len() - 1) as f64 * share) as usize];
    ([within(0.5), within(0.99), within(1.0), share, memory], seen.statuses)
}

#[test]
#[ignore = "measures: `make overload` runs it"]
fn what_clients_notice_of_a_crowd() {
    let runs = std::env::var("OVERLOAD_RUNS").map_or(1, |runs| runs.parse().expect("a number"));
    println!(
        "| case | connections | p50 ms | p99 ms | longest ms | answers | to new clients | processor | MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for case in cases() {
        let mut figures: [Vec<f64>; 5] = Default::default();
        let mut statuses: [BTreeMap<String, usize>; 2] = Default::default();
        for _ in 0..runs {
            let (run, seen) = run(&case);
            for (figures, figure) in figures.iter_mut().zip(run) {
                figures.push(figure);
            }
            for (sums, seen) in statuses.iter_mut().zip(seen) {
                for (status, count) in seen {
                    *sums.entry(status).or_default() += count;
                }
            }
        }
        let [p50, p99, longest, share, memory] = figures.map(|mut figures| {
            figures.sort_unstable_by(f64::total_cmp);
            figures[figures.len() / 2]
        });
        let [known, new] = statuses.map(|statuses| {
            let each = statuses.iter().map(|(status, count)| format!("{status}: {count}"));
            each.collect::<Vec<_>>().join(", ")
        });
        println!(
            "| {} | {} | {p50:.2} | {p99:.2} | {longest:.1} | {known} | {new} | {:.0} % | {memory:.1} |",
            case.name,
            case.connections,
            share * 100.0
        );
    }
}
