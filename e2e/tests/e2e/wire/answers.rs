//! Whether what came back are answers as RFC 9112 has them, and no more of them than there were requests.

use e2e::{Lines, Reading, Rest, Seen, read_strictly};

/// One answer that is not interim.
pub struct Answer {
    pub status: u16,
    /// The header `X-Request-Id`.
    pub id: String,
    /// The request that it is to, unless that was none.
    pub request: Option<Seen>,
}

/// The answers to what was `sent`.
///
/// # Errors
/// What is wrong with what was `received`.
pub fn check(sent: &[u8], received: &[u8]) -> Result<Vec<Answer>, String> {
    let strict = explain(&read_strictly(sent, Lines::CrLf), received);
    strict.or_else(|error| {
        let reading = read_strictly(sent, Lines::Lf);
        explain(&reading, received).map_err(|other| format!("{error}; {other}"))
    })
}

fn explain(reading: &Reading, mut received: &[u8]) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    let mut requests = reading.requests.iter();
    let mut is_last = false;
    while !received.is_empty() {
        if is_last {
            return Err(format!("bytes behind the last answer, number {}", answers.len()));
        }
        let head = Head::read(&mut received)?;
        if head.status < 200 {
            continue;
        }
        let (request, method) = match (requests.next(), &reading.rest) {
            (Some(seen), _) => (Some(seen.clone()), Some(&seen.method)),
            (None, Rest::Nothing) => {
                return Err(format!("{} requests, and one more answer", answers.len()));
            }
            (None, rest) => {
                is_last = true;
                let Rest::Malformed(method) = rest else {
                    return answer_ends(answers, head, received);
                };
                (None, method.as_ref())
            }
        };
        is_last |= head.closes;
        // What the server cannot read it refuses with a sentence, even if it looks like a HEAD.
        let is_refused = head.closes && head.length == Some(received.len());
        let is_head = method.is_some_and(|method| method == "HEAD");
        if !is_head || is_refused {
            head.skip_body(&mut received)?;
        }
        answers.push(head.answer(request));
    }
    Ok(answers)
}

/// The answer to a request that is not complete.
fn answer_ends(
    mut answers: Vec<Answer>,
    head: Head,
    mut received: &[u8],
) -> Result<Vec<Answer>, String> {
    if !received.is_empty() {
        head.skip_body(&mut received)?;
    }
    if !received.is_empty() {
        return Err("bytes behind the answer to an incomplete request".into());
    }
    answers.push(head.answer(None));
    Ok(answers)
}

struct Head {
    status: u16,
    id: String,
    length: Option<usize>,
    closes: bool,
}

impl Head {
    fn read(received: &mut &[u8]) -> Result<Self, String> {
        let shown =
            |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parser = httparse::Response::new(&mut headers);
        let parsed =
            parser.parse(received).map_err(|error| format!("{error}: {}", shown(received)))?;
        let httparse::Status::Complete(length) = parsed else {
            return Err(format!("half a head: {}", shown(received)));
        };
        let (head, rest) = received.split_at(length);
        if head.split(|byte| *byte == b'\n').rev().skip(1).any(|line| !line.ends_with(b"\r")) {
            return Err(format!("a line without CR: {}", shown(head)));
        }
        let values = |name: &str| {
            let found =
                parser.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
            found
                .map(|header| String::from_utf8_lossy(header.value).into_owned())
                .collect::<Vec<_>>()
        };
        let status = parser.code.unwrap_or_default();
        let one = |name: &str| match &values(name)[..] {
            [value] => Ok(value.clone()),
            values => Err(format!("{name}: {values:?} in {}", shown(head))),
        };
        let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
        if !codings.is_empty() || lengths.len() > 1 {
            return Err(format!("not one length: {}", shown(head)));
        }
        let must_not_have = status < 200 || status == 204;
        if must_not_have != lengths.is_empty() && status != 304 {
            return Err(format!("a length or none: {}", shown(head)));
        }
        *received = rest;
        if status < 200 {
            return Ok(Self { status, id: String::new(), length: None, closes: false });
        }
        one("date")?;
        let length = match lengths.first() {
            Some(length) if status != 304 => {
                Some(length.parse().map_err(|_| format!("length {length}"))?)
            }
            _ => None,
        };
        let closes = values("connection").iter().any(|value| value == "close");
        Ok(Self { status, id: one("x-request-id")?, length, closes })
    }

    fn skip_body(&self, received: &mut &[u8]) -> Result<(), String> {
        let length = self.length.unwrap_or(0);
        let rest = received.get(length..);
        *received =
            rest.ok_or_else(|| format!("{} of {length} bytes of a body", received.len()))?;
        Ok(())
    }

    fn answer(self, request: Option<Seen>) -> Answer {
        Answer { status: self.status, id: self.id, request }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    const OK: &str = "HTTP/1.1 200 OK\r\nDate: a\r\nX-Request-Id: b\r\nContent-Length: 2\r\n\r\n";
    const LAST: &str = "HTTP/1.1 400 X\r\nDate: a\r\nX-Request-Id: b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

    /// The number of answers.
    fn count(sent: &str, received: &str) -> Result<usize, String> {
        check(sent.as_bytes(), received.as_bytes()).map(|answers| answers.len())
    }

    #[test]
    fn there_may_be_as_many_answers_as_requests() {
        let ok = format!("{OK}ab");
        assert_eq!(count("", ""), Ok(0));
        assert_eq!(count(GET, ""), Ok(0));
        assert_eq!(count(GET, &ok), Ok(1));
        assert_eq!(count(&GET.repeat(3), &ok.repeat(3)), Ok(3));
        assert_eq!(count(&GET.replace("\r\n", "\n"), &ok), Ok(1));
        assert_eq!(count(&format!("{HEAD}{GET}"), &format!("{OK}{ok}")), Ok(2));
        let refused = LAST.replace("Length: 0", "Length: 2") + "ab";
        assert_eq!(count(HEAD, &refused), Ok(1));
        assert_eq!(count(GET, &format!("HTTP/1.1 100 Continue\r\n\r\n{ok}")), Ok(1));
        assert_eq!(count(&format!("{GET}GET"), &format!("{ok}{LAST}")), Ok(2));
        assert_eq!(count(&format!("{GET}\0\r\n\r\n{GET}"), &format!("{ok}{LAST}")), Ok(2));
    }

    #[test]
    fn more_answers_are_found() {
        let ok = format!("{OK}ab");
        for (sent, received) in [
            ("", ok.clone()),
            (GET, ok.repeat(2)),
            (GET, format!("{LAST}{ok}")),
            (HEAD, ok.clone()),
            (&GET.repeat(2), format!("{LAST}{ok}")),
            (&format!("{GET}\0\r\n\r\n{GET}"), ok.repeat(3)),
            (&format!("{GET}GET"), format!("{}{LAST}", ok.repeat(2))),
        ] {
            assert!(count(sent, &received).is_err(), "{sent:?} {received:?}");
        }
    }

    #[test]
    fn what_is_no_answer_is_found() {
        let ok = format!("{OK}ab");
        for received in [
            ok.replace("ab", "a"),
            ok.replace("ab", "abc"),
            ok.replace("Date: a\r\n", ""),
            ok.replace("X-Request-Id: b\r\n", ""),
            ok.replace("X-Request-Id: b\r\n", "X-Request-Id: b\n"),
            ok.replace("Content-Length: 2\r\n", ""),
            ok.replace("Content-Length: 2", "Content-Length: two"),
            ok.replace("Content-Length: 2", "Content-Length: 2\r\nContent-Length: 2"),
            ok.replace("Content-Length: 2", "Transfer-Encoding: chunked"),
            ok.replace("200 OK", "204 No Content"),
            ok.replace("HTTP/1.1", "HTTP"),
            OK[..30].to_owned(),
        ] {
            assert!(count(GET, &received).is_err(), "{received:?}");
        }
    }
}
