//! A client that can misbehave: it sends any bytes at any time, and reads answers one by one.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

/// How long an answer may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection.
pub struct Client {
    stream: TcpStream,
    /// What was read and not yet taken.
    buffer: Vec<u8>,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"));
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The sentence of an error answer.
    pub fn error(&self) -> String {
        let body = self.json();
        let object = body.as_object().expect("an object");
        assert_eq!(object.len(), 1, "nothing but the error: {body}");
        object["error"].as_str().expect("a sentence").to_owned()
    }
}

/// A request with a `Host` header and these `headers`.
fn request(method: &str, target: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n");
    for header in headers {
        head += header;
        head += "\r\n";
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server accepts");
        Self::new(stream)
    }

    /// Connects with buffers of about `bytes` in both directions.
    pub fn connect_with_buffers(address: SocketAddr, bytes: usize) -> Self {
        let socket =
            Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(bytes).expect("a size");
        socket.set_send_buffer_size(bytes).expect("a size");
        socket.connect(&address.into()).expect("the server accepts");
        Self::new(socket.into())
    }

    /// Connects from one of the machine's own addresses.
    pub fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        let socket =
            Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::new(source, 0).into()).expect("an address of this machine");
        socket.connect(&address.into()).expect("the server accepts");
        Self::new(socket.into())
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, buffer: Vec::new() }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the server reads");
    }

    /// Sends bytes as they are; the server may have closed.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends bytes for as long as the server takes them, and tells how many it took.
    pub fn send_until_blocked(&mut self, bytes: &[u8]) -> usize {
        self.stream.set_nonblocking(true).expect("a socket");
        let mut sent = 0;
        while let Ok(count) = self.stream.write(&bytes[sent..]) {
            if count == 0 {
                break;
            }
            sent += count;
        }
        self.stream.set_nonblocking(false).expect("a socket");
        sent
    }

    /// Sends a request with a `Host` header, further `headers`, and a body if there is one.
    pub fn send_request(&mut self, method: &str, target: &str, headers: &[&str], body: &[u8]) {
        self.try_send_request(method, target, headers, body).expect("the server reads");
    }

    /// The same, if the server lives long enough.
    ///
    /// # Errors
    /// The connection is closed.
    pub fn try_send_request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[&str],
        body: &[u8],
    ) -> io::Result<()> {
        let length = format!("Content-Length: {}", body.len());
        let length: &[&str] = if body.is_empty() { &[] } else { &[&length] };
        self.stream.write_all(&request(method, target, &[headers, length].concat(), body))
    }

    /// Sends a request and reads the answer to it.
    pub fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[&str],
        body: &[u8],
    ) -> Response {
        self.send_request(method, target, headers, body);
        if method == "HEAD" { self.response_head() } else { self.response() }
    }

    /// `GET`s a target.
    pub fn get(&mut self, target: &str) -> Response {
        self.request("GET", target, &[], b"")
    }

    /// `POST`s a body.
    pub fn post(&mut self, target: &str, body: impl AsRef<[u8]>) -> Response {
        self.request("POST", target, &[], body.as_ref())
    }

    /// Connects, if the server accepts.
    pub fn try_connect(address: SocketAddr) -> Option<Self> {
        TcpStream::connect(address).ok().map(Self::new)
    }

    /// Sends a request and reads the answer, if the server lives long enough.
    pub fn try_request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[&str],
        body: &[u8],
    ) -> Option<Response> {
        let length = format!("Content-Length: {}", body.len());
        let bytes = request(method, target, &[headers, &[&length]].concat(), body);
        self.stream.write_all(&bytes).ok()?;
        self.try_response().ok()
    }

    /// Reads one whole answer.
    pub fn response(&mut self) -> Response {
        let response = self.try_response();
        response.unwrap_or_else(|error| panic!("{error} within an answer: {:?}", self.buffer))
    }

    fn try_response(&mut self) -> io::Result<Response> {
        let mut response = self.try_response_head()?;
        if response.status == 204 || response.status == 304 || response.status < 200 {
            return Ok(response);
        }
        if response.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk()? {
                response.body.extend(chunk);
            }
            return Ok(response);
        }
        let length =
            response.header("content-length").expect("a length").parse().expect("a number");
        response.body = self.take(length)?;
        Ok(response)
    }

    /// Reads the next chunk of a body (RFC 9112, section 7.1), without trailers. `None` at its end.
    ///
    /// # Errors
    /// The connection ends before it.
    pub fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        while !self.buffer.windows(2).any(|bytes| bytes == b"\r\n") {
            self.read_some()?;
        }
        let status = httparse::parse_chunk_size(&self.buffer).expect("a chunk's size");
        let httparse::Status::Complete((start, size)) = status else { panic!("a whole line") };
        self.take(start)?;
        let size = usize::try_from(size).expect("a size");
        let mut chunk = self.take(size + 2)?;
        chunk.truncate(size);
        Ok(Some(chunk).filter(|chunk| !chunk.is_empty()))
    }

    /// Reads so many bytes.
    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.read_some()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Reads an answer up to its body, as there is none after `HEAD`.
    pub fn response_head(&mut self) -> Response {
        let head = self.try_response_head();
        head.unwrap_or_else(|error| panic!("{error} within a head: {:?}", self.buffer))
    }

    /// The same, if the server lives long enough.
    ///
    /// # Errors
    /// The connection ends before it.
    pub fn try_response_head(&mut self) -> io::Result<Response> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut parser = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(length) =
                parser.parse(&self.buffer).expect("the answer is HTTP")
            {
                let status = parser.code.expect("a status");
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
                let headers = parser.headers.iter();
                let headers = headers.map(|h| (h.name.to_lowercase(), text(h.value))).collect();
                self.buffer.drain(..length);
                return Ok(Response { status, headers, body: Vec::new() });
            }
            self.read_some()?;
        }
    }

    /// Reads once, as much as is there, and takes all of it.
    pub fn read_once(&mut self) -> Vec<u8> {
        self.read_more().expect("the server answers");
        std::mem::take(&mut self.buffer)
    }

    /// Reads once. The end of the connection is an error.
    fn read_some(&mut self) -> io::Result<()> {
        match self.read_more()? {
            0 => Err(io::Error::new(ErrorKind::UnexpectedEof, "the connection ends")),
            _ => Ok(()),
        }
    }

    fn read_more(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 65_536];
        let deadline = Instant::now() + PATIENCE;
        // A signal to this process may end a wait before its time.
        let is_early = |error: &io::Error| {
            matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock)
                && Instant::now() < deadline
        };
        let count = loop {
            match self.stream.read(&mut chunk) {
                Err(error) if is_early(&error) => {}
                result => break result?,
            }
        };
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(count)
    }

    /// Fails unless the server closes the connection without another byte.
    pub fn assert_closed(mut self) {
        assert_eq!(String::from_utf8_lossy(&self.buffer), "");
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the connection stays open: {error}"),
        }
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }

    /// Tells the server that nothing more comes, and goes on reading.
    pub fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).expect("the connection is open");
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        let socket = Socket::from(self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("a socket");
    }
}
