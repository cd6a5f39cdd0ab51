//! A client of a few lines: for the first answer, for filling stores, and for connections that are held open.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// How many requests are on their way at one time while a store is filled or connections are opened.
const PIPELINE: usize = 50;

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects to a port of this machine.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::with_capacity(1024, stream) })
    }

    /// Asks for `path` and returns the status of the answer, which is read to its end.
    ///
    /// # Errors
    /// The connection ends before the answer does.
    pub fn get(&mut self, path: &str) -> io::Result<u16> {
        self.ask(path)?;
        self.answer()
    }

    /// Opens `count` connections, each of which is used once, many at a time.
    ///
    /// # Errors
    /// One of them fails.
    pub fn open(port: u16, count: usize) -> io::Result<Vec<Self>> {
        let mut clients = Vec::with_capacity(count);
        while clients.len() < count {
            let first = clients.len();
            // Fewer than the system keeps for a server that has not accepted them yet.
            for _ in first..count.min(first + PIPELINE) {
                let mut client = Self::connect(port)?;
                client.ask("/health")?;
                clients.push(client);
            }
            for client in clients.iter_mut().skip(first) {
                let status = client.answer()?;
                if status != 200 {
                    return Err(io::Error::other(format!("/health was answered {status}")));
                }
            }
        }
        Ok(clients)
    }

    /// Posts a body to `path` and returns the status of the answer, which is read to its end.
    ///
    /// # Errors
    /// The connection ends before the answer does.
    pub fn post(&mut self, path: &str, body: &str) -> io::Result<u16> {
        self.stream.get_mut().write_all(posting(path, body).as_bytes())?;
        self.answer()
    }

    /// Makes `count` todos with titles of their own.
    ///
    /// # Errors
    /// The connection ends, or an answer is not 201.
    pub fn fill(&mut self, count: usize) -> io::Result<()> {
        let numbers: Vec<_> = (1..=count).collect();
        for numbers in numbers.chunks(PIPELINE) {
            let requests: String = numbers
                .iter()
                .map(|number| {
                    let body = format!(
                        "{{\"title\":\"todo {number}\",\"description\":\"as many others\"}}"
                    );
                    posting("/api/todos", &body)
                })
                .collect();
            self.stream.get_mut().write_all(requests.as_bytes())?;
            for _ in numbers {
                let status = self.answer()?;
                if status != 201 {
                    return Err(io::Error::other(format!("POST was answered {status}")));
                }
            }
        }
        Ok(())
    }

    fn ask(&mut self, path: &str) -> io::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes())
    }

    /// Reads one answer, and returns its status.
    fn answer(&mut self) -> io::Result<u16> {
        let mut line = String::new();
        let mut status = None;
        let mut length = 0;
        let mut is_chunked = false;
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let text = line.trim_end();
            if text.is_empty() {
                break;
            }
            match text.split_once(':') {
                _ if status.is_none() => {
                    let code = text.split(' ').nth(1).and_then(|code| code.parse().ok());
                    status = Some(code.ok_or(io::ErrorKind::InvalidData)?);
                }
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
                }
                Some((name, _)) if name.eq_ignore_ascii_case("transfer-encoding") => {
                    is_chunked = true;
                }
                _ => {}
            }
        }
        if is_chunked {
            while self.chunk()? > 0 {}
        } else {
            self.skip(length)?;
        }
        status.ok_or(io::ErrorKind::InvalidData.into())
    }

    fn chunk(&mut self) -> io::Result<u64> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let size =
            u64::from_str_radix(line.trim_end(), 16).map_err(|_| io::ErrorKind::InvalidData)?;
        self.skip(size + 2)?;
        Ok(size)
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let copied = io::copy(&mut self.stream.by_ref().take(length), &mut io::sink())?;
        if copied == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

fn posting(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn answers_are_read_to_their_ends_and_no_further() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream
                .write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc\
                      HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
                      HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nabc",
                )
                .unwrap();
            // Until the client is done.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = io::copy(&mut stream, &mut io::sink());
        });
        let mut client = Client::connect(port).unwrap();
        assert_eq!(client.get("/").unwrap(), 200);
        assert_eq!(client.post("/", "x").unwrap(), 201);
        assert_eq!(client.get("/").unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        drop(client);
        server.join().unwrap();
    }
}
