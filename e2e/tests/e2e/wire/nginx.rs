//! nginx with the settings of `deploy/nginx.conf` in front of the server: both see the same requests.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use e2e::{Client, Server, repository, tool, wait_until};
use tempfile::TempDir;

use super::{access_log, connections, exchange, for_each, input, is_logged_as, server, shown};

struct Nginx {
    process: Child,
    address: SocketAddr,
    folder: TempDir,
}

/// What nginx tells of one request.
#[derive(Debug)]
struct Line {
    /// Each time that it asked the server, the status of the answer, or `-` if it did not wait for one.
    answers: Vec<String>,
    method: String,
    target: String,
}

impl Nginx {
    /// With bodies that nginx reads as a whole first, or hands on as they come.
    fn start(server: &Server, buffers_bodies: bool) -> Self {
        let folder = TempDir::new().unwrap();
        // nginx takes no port 0.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let configuration = configuration(server.address(), address, folder.path(), buffers_bodies);
        fs::write(folder.path().join("nginx.conf"), configuration).unwrap();
        let process = Command::new(tool("nginx"))
            .args(["-e", "stderr", "-g", "daemon off; master_process off;", "-c"])
            .arg(folder.path().join("nginx.conf"))
            .arg("-p")
            .arg(folder.path())
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let mut nginx = Self { process, address, folder };
        wait_until("nginx to accept", || {
            assert!(nginx.process.try_wait().unwrap().is_none(), "nginx has ended");
            Client::try_connect(address).is_some()
        });
        nginx
    }

    /// What it has logged, by the ids that it gave to requests.
    fn log(&self) -> BTreeMap<String, Line> {
        let text = fs::read_to_string(self.folder.path().join("access.log")).unwrap();
        let lines = text.lines().map(|line| {
            // nginx writes a quote in what it quotes in another way.
            let parts: Vec<_> = line.split('"').collect();
            let [id, servers, answers, request, ""] = parts[..] else { panic!("{line}") };
            let mut words = request.split(' ').map(str::to_owned);
            let times = if servers == "-" { 0 } else { servers.split(", ").count() };
            let answers = answers.split(", ").take(times).map(str::to_owned).collect();
            // nginx itself takes a request for a GET once it answers with an error.
            let (method, target) = (words.next(), words.next());
            let (method, target) = (method.unwrap_or_default(), target.unwrap_or_default());
            (id.to_owned(), Line { answers, method, target })
        });
        lines.collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The shipped one, for this machine, and with a log that tells what went on to the server under which id.
fn configuration(
    server: SocketAddr,
    own: SocketAddr,
    folder: &Path,
    buffers_bodies: bool,
) -> String {
    let text = fs::read_to_string(repository().join("deploy/nginx.conf")).unwrap();
    let folder = folder.display();
    let mut text = text.replace("/tmp/", &format!("{folder}/"));
    let log = format!(
        "log_format wire '$request_id\"$upstream_addr\"$upstream_status\"$request\"';\n\
         access_log {folder}/access.log wire;"
    );
    let buffering = if buffers_bodies { "on" } else { "off" };
    for (old, new) in [
        ("access_log /dev/stdout;", log),
        ("error_log /dev/stderr warn;", "error_log /dev/stderr crit;".to_owned()),
        ("server api:8080 ", format!("server {server} ")),
        ("include /etc/nginx/servers/*.conf;", String::new()),
        ("listen 8080;", format!("listen {own};")),
        (
            "proxy_set_header Host $http_host;",
            format!(
                "proxy_set_header Host $http_host;\n\
                 proxy_set_header X-Request-Id $request_id;\n\
                 proxy_request_buffering {buffering};\n\
                 # Clients here close their half when they have sent all.\n\
                 proxy_ignore_client_abort on;"
            ),
        ),
    ] {
        assert_eq!(text.matches(old).count(), 1, "{old}");
        text = text.replace(old, &new);
    }
    text
}

/// Every request that the server sees is one that nginx has handed on, and the same.
fn both_see_the_same(buffers_bodies: bool) {
    let server = server();
    let nginx = Nginx::start(&server, buffers_bodies);
    let count = connections(1_000);
    for_each(count, |number| {
        let (bytes, mut random) = input(number);
        exchange(nginx.address, &bytes, &mut random);
        let good = Client::connect(nginx.address).get("/livez");
        assert_eq!(good.status, 200, "after connection {number}: {}", shown(&bytes));
    });
    let seen = access_log(&server);
    let handed_on = nginx.log();
    let (mut times, mut refused_unread) = (BTreeMap::<&str, usize>::new(), 0);
    for (id, method, target) in &seen {
        if method == "-" {
            refused_unread += 1;
            continue;
        }
        let Some(line) = handed_on.get(id) else {
            panic!("nginx knows nothing of {method} {target}, {id}");
        };
        *times.entry(id).or_default() += 1;
        let is_plain = line.target.starts_with('/') && line.target.len() < 500;
        if is_plain && !line.target.contains(['#', '\\']) {
            assert!(
                is_logged_as(&line.method, method) && *target == line.target,
                "{line:?} {target}"
            );
        }
    }
    let (mut asked, mut without_line) = (0, 0);
    for (id, line) in &handed_on {
        let count = times.get(&**id).copied().unwrap_or(0);
        assert!(count <= line.answers.len(), "seen {count} times: {line:?}");
        // Where nginx did not wait, or found nobody, the server need not have seen it.
        let answered =
            line.answers.iter().filter(|answer| !["-", "502", "504"].contains(&&***answer));
        let missing = answered.count().saturating_sub(count);
        if missing > 0 {
            assert!(["400", "414", "431"].contains(&&*line.answers[0]), "not seen: {line:?}");
        }
        without_line += missing;
        asked += line.answers.len();
    }
    println!(
        "bodies {}: {count} connections, {} requests in nginx's log, {asked} handed on, {} in the server's, {refused_unread} of them refused unread",
        if buffers_bodies { "buffered" } else { "handed on" },
        handed_on.len(),
        seen.len()
    );
    assert_eq!(without_line, refused_unread, "what the server refuses unread nginx has handed on");
    assert!(asked > count, "the server has seen next to nothing");
}

#[test]
fn nginx_that_buffers_bodies_sees_the_same_requests() {
    both_see_the_same(true);
}

#[test]
fn nginx_that_hands_bodies_on_sees_the_same_requests() {
    both_see_the_same(false);
}
