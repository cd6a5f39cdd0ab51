//! The requests that bytes on a connection are, for a reader that takes RFC 9112 at its word.
//!
//! Where the RFC leaves a reader a choice that decides where a request ends, there is a [`Lines`] for each. Whatever it forbids
//! is [`Rest::Malformed`] here, and so is what it lets a server answer only by closing the connection: a server may answer that
//! once, and nothing behind it.

/// What ends a line of a head or a trailer section (RFC 9112, section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// CR and LF.
    CrLf,
    /// The same, or LF alone.
    Lf,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The requests that are complete.
    pub requests: Vec<Seen>,
    /// What is behind them.
    pub rest: Rest,
}

/// One complete request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its method.
    pub method: String,
    /// Its target, as it was sent.
    pub target: String,
}

/// What is behind the last complete request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing, or empty lines.
    Nothing,
    /// The beginning of a request.
    Incomplete,
    /// What is no request, or one that must be the last. With its method if that can be told.
    Malformed(Option<String>),
}

/// Why a request is not complete.
enum Stop {
    Incomplete,
    Malformed,
}

/// Reads all requests.
pub fn read_strictly(bytes: &[u8], lines: Lines) -> Reading {
    let mut requests = Vec::new();
    let mut reader = Reader { rest: bytes, lines };
    loop {
        reader.skip_empty_lines();
        if reader.rest.is_empty() {
            return Reading { requests, rest: Rest::Nothing };
        }
        let mut method = None;
        match reader.request(&mut method) {
            Ok(seen) => requests.push(seen),
            Err(Stop::Incomplete) => return Reading { requests, rest: Rest::Incomplete },
            Err(Stop::Malformed) => return Reading { requests, rest: Rest::Malformed(method) },
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    lines: Lines,
}

/// How a request tells where its body ends.
enum Framing {
    Length(u64),
    Chunks,
}

impl<'a> Reader<'a> {
    /// A server should ignore an empty line before a request.
    fn skip_empty_lines(&mut self) {
        loop {
            self.rest = match (self.rest, self.lines) {
                ([b'\r', b'\n', rest @ ..], _) | ([b'\n', rest @ ..], Lines::Lf) => rest,
                _ => return,
            };
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Stop> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Stop::Incomplete)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next line, without what ends it. Nothing in a line is a CR, a LF or a NUL.
    fn line(&mut self, lines: Lines) -> Result<&'a [u8], Stop> {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let Some(end) = end else {
            let line = self.rest.strip_suffix(b"\r").unwrap_or(self.rest);
            return Err(if has_control(line) { Stop::Malformed } else { Stop::Incomplete });
        };
        let line = self.take(end + 1)?;
        let line = &line[..end];
        let line = match (line.strip_suffix(b"\r"), lines) {
            (Some(line), _) => line,
            (None, Lines::Lf) => line,
            (None, Lines::CrLf) => return Err(Stop::Malformed),
        };
        if has_control(line) { Err(Stop::Malformed) } else { Ok(line) }
    }

    fn request(&mut self, known_method: &mut Option<String>) -> Result<Seen, Stop> {
        let line = self.line(self.lines)?;
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Stop::Malformed);
        };
        if !is_token(method) || target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
            return Err(Stop::Malformed);
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        *known_method = Some(text(method));
        // A minor version that is not known is read as the highest that is (RFC 9110, section 2.5).
        let minor = match version {
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor] if minor.is_ascii_digit() => minor,
            _ => return Err(Stop::Malformed),
        };
        let fields = self.fields()?;
        match framing(&fields, *minor > b'0').ok_or(Stop::Malformed)? {
            Framing::Length(length) => {
                self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
            }
            Framing::Chunks => self.chunks()?,
        }
        Ok(Seen { method: text(method), target: text(target) })
    }

    /// Field lines up to and with the empty one (RFC 9112, section 5). Names in lower case, values without white space around.
    fn fields(&mut self) -> Result<Vec<(String, &'a [u8])>, Stop> {
        let mut fields = Vec::new();
        loop {
            let line = self.line(self.lines)?;
            if line.is_empty() {
                return Ok(fields);
            }
            let colon = line.iter().position(|byte| *byte == b':').ok_or(Stop::Malformed)?;
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            if !is_token(name) {
                return Err(Stop::Malformed);
            }
            fields.push((String::from_utf8_lossy(name).to_lowercase(), trim(value)));
        }
    }

    /// RFC 9112, section 7.1.
    fn chunks(&mut self) -> Result<(), Stop> {
        loop {
            let line = self.line(Lines::CrLf)?;
            let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            let (size, extension) = line.split_at(digits);
            // White space there is "bad" but allowed; without an extension it is not, though many take it.
            if !matches!(trim(extension), [] | [b';', ..]) {
                return Err(Stop::Malformed);
            }
            let size =
                std::str::from_utf8(size).ok().and_then(|size| u64::from_str_radix(size, 16).ok());
            match size.ok_or(Stop::Malformed)? {
                0 => break,
                size => self.take(usize::try_from(size).unwrap_or(usize::MAX))?,
            };
            match self.rest {
                [b'\r', b'\n', rest @ ..] => self.rest = rest,
                [] | [b'\r'] => return Err(Stop::Incomplete),
                _ => return Err(Stop::Malformed),
            }
        }
        self.fields().map(drop)
    }
}

/// RFC 9112, section 6.3. `None` if it cannot be told for certain.
fn framing(fields: &[(String, &[u8])], is_1_1: bool) -> Option<Framing> {
    let values = |name: &'static str| {
        fields.iter().filter(move |(known, _)| known == name).map(|(_, value)| *value)
    };
    let codings: Vec<_> = values("transfer-encoding").flat_map(members).collect();
    let lengths: Vec<_> = values("content-length").collect();
    if values("transfer-encoding").next().is_some() {
        let (last, others) = codings.split_last()?;
        let is_chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
        let is_certain = is_1_1 && lengths.is_empty() && !others.iter().any(is_chunked);
        return (is_certain && is_chunked(last)).then_some(Framing::Chunks);
    }
    let mut lengths = lengths.iter().flat_map(|value| value.split(|byte| *byte == b',')).map(trim);
    let Some(first) = lengths.next() else { return Some(Framing::Length(0)) };
    // The same length several times is one.
    let is_certain = first.iter().all(u8::is_ascii_digit) && lengths.all(|other| other == first);
    let length = std::str::from_utf8(first).ok()?.parse().ok()?;
    is_certain.then_some(Framing::Length(length))
}

/// The members of a list (RFC 9110, section 5.6.1), of which empty ones do not count.
fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim).filter(|member| !member.is_empty())
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn is_token(bytes: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_part)
}

/// Control characters but HTAB (RFC 9110, section 5.5).
fn has_control(line: &[u8]) -> bool {
    line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

    /// How many requests there are, and how they end.
    fn read(bytes: &str, lines: Lines) -> (usize, Rest) {
        let reading = read_strictly(bytes.as_bytes(), lines);
        (reading.requests.len(), reading.rest)
    }

    fn post(fields: &str, body: &str) -> String {
        format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}{NEXT}")
    }

    #[test]
    fn requests_follow_one_another() {
        let bytes =
            format!("\r\n\r\nPOST /a?b HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc\r\n{NEXT}\r\n");
        let reading = read_strictly(bytes.as_bytes(), Lines::CrLf);
        let seen: Vec<_> = reading.requests.iter().map(|r| (&*r.method, &*r.target)).collect();
        assert_eq!(seen, [("POST", "/a?b"), ("GET", "/next")]);
        assert_eq!(reading.rest, Rest::Nothing);
        for cut in 1..NEXT.len() {
            assert_eq!(read(&NEXT[..cut], Lines::CrLf), (0, Rest::Incomplete), "{cut}");
        }
    }

    #[test]
    fn bodies_end_as_they_say() {
        for (fields, body) in [
            ("", ""),
            ("Content-Length: 0\r\n", ""),
            ("content-length:\t5 \r\n", "hello"),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
            ("Content-Length: 5, 5\r\n", "hello"),
            ("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: ,gzip , CHUNKED,\r\n", "5;a=\"b\"\r\nhello\r\n00\r\nX: y\r\n\r\n"),
        ] {
            assert_eq!(read(&post(fields, body), Lines::CrLf), (2, Rest::Nothing), "{fields:?}");
        }
        assert_eq!(read("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhell", Lines::CrLf).0, 0);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_the_last() {
        let chunked = "Transfer-Encoding: chunked\r\n";
        for (fields, body) in [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"),
            ("Content-Length: +5\r\n", "hello"),
            ("Content-Length: 5,\r\n", "hello"),
            ("Content-Length: \r\n", ""),
            ("Content-Length: 99999999999999999999\r\n", ""),
            ("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding:\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
            ("X: y\r\n folded\r\n", ""),
            ("X: a\rb\r\n", ""),
            ("X: a\0b\r\n", ""),
            ("X\r\n", ""),
            (chunked, "\r\n\r\n"),
            (chunked, "-1\r\n\r\n"),
            (chunked, "0x0\r\n\r\n"),
            (chunked, "5\nhello\r\n0\r\n\r\n"),
            (chunked, "5\r\nhello!\r\n0\r\n\r\n"),
            (chunked, "5;\n\r\nhello\r\n0\r\n\r\n"),
            (chunked, "10000000000000000\r\n\r\n"),
            (chunked, "0\r\nno colon\r\n\r\n"),
        ] {
            let (count, rest) = read(&post(fields, body), Lines::Lf);
            assert_eq!(
                (count, rest),
                (0, Rest::Malformed(Some("POST".into()))),
                "{fields:?} {body:?}"
            );
        }
        for line in [
            "GET /",
            "GET  / HTTP/1.1",
            "GET / HTTP/2.0",
            "GET / HTTP/1.1 ",
            "G(T / HTTP/1.1",
            "GET /\t HTTP/1.1",
        ] {
            let (count, rest) = read(&format!("{line}\r\n\r\n{NEXT}"), Lines::Lf);
            assert!(count == 0 && matches!(rest, Rest::Malformed(_)), "{line}");
        }
    }

    #[test]
    fn a_line_may_end_with_lf_for_those_who_choose_so() {
        let bytes = NEXT.replace("\r\n", "\n");
        assert_eq!(read(&bytes, Lines::Lf), (1, Rest::Nothing));
        assert_eq!(read(&bytes, Lines::CrLf).0, 0);
        let trailers = post("Transfer-Encoding: chunked\r\n", "0\r\nX: y\n\n");
        assert_eq!(read(&trailers, Lines::Lf), (2, Rest::Nothing));
        assert_eq!(read(&trailers, Lines::CrLf).0, 0);
    }
}
