//! As much of PostgreSQL's protocol as it takes to know which request does what, and which answer is to it (PostgreSQL
//! documentation, "Frontend/Backend Protocol", version 3).

use std::collections::HashMap;

/// The codes in the place of a version in what is sent before it: to ask for encryption, and to cancel.
const SSL: usize = 80_877_103;
const GSS: usize = 80_877_104;
const CANCEL: usize = 80_877_102;
const MAJOR_VERSION: usize = 3;
/// The state after ReadyForQuery in which no transaction is open.
pub(crate) const IDLE: u8 = b'I';
/// No message that asks for a session is longer, by PostgreSQL's own limit.
const MAX_START: usize = 10_000;

/// What has been said on one connection.
#[derive(Default)]
pub(crate) struct Protocol {
    phase: Phase,
    requests: Buffer,
    answers: Buffer,
    /// The SQL of prepared statements, by name.
    statements: HashMap<Vec<u8>, Vec<u8>>,
    /// How many times the client has asked for what ReadyForQuery ends.
    asked: usize,
    /// How many times that has come.
    ready: usize,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Phase {
    #[default]
    Start,
    /// The client has asked for encryption. One byte answers that, without type and length.
    Encryption,
    Session,
    /// Encrypted, or not PostgreSQL's protocol at all.
    Opaque,
}

/// A message of the client.
#[derive(Default)]
pub(crate) struct Request {
    /// The whole message.
    pub bytes: Vec<u8>,
    /// The number of the ReadyForQuery that ends the answer to it.
    pub answer: usize,
    /// Whether it has the server run a statement. To prepare one is not that.
    runs: bool,
    /// The SQL, if the message has only the name that it was prepared under.
    sql: Vec<u8>,
}

impl Request {
    /// Whether it runs a statement whose SQL or parameters contain `bytes`.
    pub fn runs(&self, bytes: &[u8]) -> bool {
        self.runs && (contains(&self.bytes, bytes) || contains(&self.sql, bytes))
    }
}

/// A message of the server.
pub(crate) struct Answer {
    /// The whole message.
    pub bytes: Vec<u8>,
    /// The number of the ReadyForQuery that ends the answer that it is part of.
    pub number: usize,
    /// If it is that ReadyForQuery, the state of the transaction: [`IDLE`] if there is none.
    pub state: Option<u8>,
}

/// What has arrived and was not taken yet.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    taken: usize,
}

impl Buffer {
    fn add(&mut self, chunk: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(chunk);
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let bytes = self.rest().get(..length)?.to_vec();
        self.taken += length;
        Some(bytes)
    }

    /// All that is there, if that is not nothing.
    fn take_all(&mut self) -> Option<Vec<u8>> {
        let length = self.rest().len();
        (length > 0).then(|| self.take(length))?
    }

    /// A message with a type, and a length that does not count the type.
    fn take_message(&mut self) -> Option<Vec<u8>> {
        let length = number(self.rest().get(1..5)?);
        self.take(length + 1)
    }
}

impl Protocol {
    /// Adds what has been read from the client.
    pub fn read_from_client(&mut self, chunk: &[u8]) {
        self.requests.add(chunk);
    }

    /// Adds what has been read from the server.
    pub fn read_from_server(&mut self, chunk: &[u8]) {
        self.answers.add(chunk);
    }

    /// The client's next message, once it is whole.
    pub fn next_request(&mut self) -> Option<Request> {
        match self.phase {
            Phase::Start => self.start(),
            Phase::Encryption => None,
            Phase::Session => {
                let bytes = self.requests.take_message()?;
                Some(self.request(bytes))
            }
            Phase::Opaque => {
                let bytes = self.requests.take_all()?;
                Some(Request { bytes, ..Request::default() })
            }
        }
    }

    /// The message that asks for a session, or one in its place.
    fn start(&mut self) -> Option<Request> {
        let rest = self.requests.rest();
        // Its length fits two of four bytes.
        if rest.first().is_some_and(|byte| *byte != 0) {
            self.phase = Phase::Opaque;
            return self.next_request();
        }
        let (length, code) = (number(rest.get(..4)?), number(rest.get(4..8)?));
        if (8..=MAX_START).contains(&length) {
            let bytes = self.requests.take(length)?;
            match code {
                SSL | GSS => self.phase = Phase::Encryption,
                CANCEL => {}
                _ if code >> 16 == MAJOR_VERSION => {
                    self.phase = Phase::Session;
                    self.asked = 1;
                }
                _ => self.phase = Phase::Opaque,
            }
            return Some(Request { bytes, answer: self.asked, ..Request::default() });
        }
        self.phase = Phase::Opaque;
        self.next_request()
    }

    fn request(&mut self, bytes: Vec<u8>) -> Request {
        let mut request = Request::default();
        let mut strings = bytes.get(5..).unwrap_or_default().split(|byte| *byte == 0);
        let mut string = || strings.next().unwrap_or_default().to_vec();
        match bytes[0] {
            // Parse: name, SQL.
            b'P' => drop(self.statements.insert(string(), string())),
            // Bind: portal, name. The answer ends with the Sync that follows.
            b'B' => {
                string();
                request.sql = self.statements.get(&string()).cloned().unwrap_or_default();
                request.runs = true;
            }
            // Query, FunctionCall, Sync.
            kind @ (b'Q' | b'F' | b'S') => {
                request.runs = kind != b'S';
                self.asked += 1;
                return Request { bytes, answer: self.asked, ..request };
            }
            _ => {}
        }
        Request { bytes, answer: self.asked + 1, ..request }
    }

    /// The server's next message, once it is whole.
    pub fn next_answer(&mut self) -> Option<Answer> {
        let number = self.ready + 1;
        if self.phase != Phase::Session {
            let bytes = self.answers.take_all()?;
            if self.phase == Phase::Encryption {
                self.phase = if bytes == b"N" { Phase::Start } else { Phase::Opaque };
            }
            return Some(Answer { bytes, number, state: None });
        }
        let bytes = self.answers.take_message()?;
        // ReadyForQuery.
        let state = bytes.last().copied().filter(|_| bytes[0] == b'Z');
        self.ready += usize::from(state.is_some());
        Some(Answer { bytes, number, state })
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

fn contains(text: &[u8], bytes: &[u8]) -> bool {
    text.windows(bytes.len()).any(|window| window == bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind], &length.to_be_bytes()[..], body].concat()
    }

    fn start(code: usize) -> Vec<u8> {
        [8_u32.to_be_bytes(), u32::try_from(code).unwrap().to_be_bytes()].concat()
    }

    fn session() -> Protocol {
        let mut protocol = Protocol::default();
        protocol.read_from_client(&start(3 << 16));
        assert_eq!(protocol.next_request().map(|request| request.answer), Some(1));
        protocol
    }

    #[test]
    fn a_statement_runs_when_it_is_bound() {
        let mut protocol = session();
        let prepare = message(b'P', b"s0\0INSERT $1\0\0\0");
        let bind = message(b'B', b"\0s0\0\0\0\0\x01\0\0\0\x01x\0\0");
        let sync = message(b'S', b"");
        protocol.read_from_client(&[&prepare[..], &sync, &bind, &sync].concat());
        let requests: Vec<_> = std::iter::from_fn(|| protocol.next_request()).collect();
        let runs = |bytes: &[u8]| requests.iter().map(|r| r.runs(bytes)).collect::<Vec<_>>();
        assert_eq!(runs(b"INSERT"), [false, false, true, false]);
        assert_eq!(runs(b"\0\0\0\x01x"), [false, false, true, false]);
        assert_eq!(runs(b"DELETE"), [false; 4]);
        assert_eq!(requests.iter().map(|r| r.answer).collect::<Vec<_>>(), [2, 2, 3, 3]);
    }

    #[test]
    fn messages_may_come_in_pieces() {
        let mut protocol = session();
        for byte in message(b'Q', b"COMMIT\0") {
            assert!(protocol.next_request().is_none());
            protocol.read_from_client(&[byte]);
        }
        let request = protocol.next_request().expect("a whole message");
        assert!(request.runs(b"COMMIT") && request.answer == 2);

        let answers = [message(b'Z', b"I"), message(b'C', b"ZI\0"), message(b'Z', b"T")].concat();
        let mut found = Vec::new();
        for byte in answers {
            protocol.read_from_server(&[byte]);
            found.extend(protocol.next_answer());
        }
        let found: Vec<_> = found.iter().map(|answer| (answer.number, answer.state)).collect();
        assert_eq!(found, [(1, Some(IDLE)), (2, None), (2, Some(b'T'))]);
    }

    #[test]
    fn encryption_hides_all_that_follows() {
        for (answer, is_session) in [(b"N", true), (b"S", false)] {
            let mut protocol = Protocol::default();
            protocol.read_from_client(&start(SSL));
            assert_eq!(protocol.next_request().map(|request| request.bytes), Some(start(SSL)));
            protocol.read_from_server(answer);
            assert_eq!(protocol.next_answer().map(|answer| answer.bytes), Some(answer.to_vec()));
            protocol.read_from_client(&start(3 << 16));
            let expected = if is_session { 1 } else { 0 };
            assert_eq!(protocol.next_request().map(|request| request.answer), Some(expected));
        }
    }

    #[test]
    fn other_protocols_pass() {
        let mut protocol = Protocol::default();
        protocol.read_from_client(b"GET");
        assert_eq!(protocol.next_request().map(|request| request.bytes), Some(b"GET".to_vec()));
    }
}
