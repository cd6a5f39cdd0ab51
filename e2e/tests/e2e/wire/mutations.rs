//! Changes that make of what is sent something that is nearly the same.

use fastrand::Rng;

/// What is put in anywhere.
const PIECES: &[&[u8]] = &[
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b"\0",
    b"\t",
    b" ",
    b":",
    b",",
    b";",
    b"\x0b",
    b"\x0c",
    b"\x7f",
    b"\x80",
    b"\xa0",
    b"\xff",
    b"0",
    b"-",
    b"+",
    b"0x",
    b"\"",
    b"0\r\n\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Expect: 100-continue\r\n",
    b"GET /inserted HTTP/1.1\r\nHost: test\r\n\r\n",
    b" HTTP/1.1\r\n",
    b"X: y\r\n",
    b"\r\n z",
];

/// Numbers that take the place of others.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "00",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "ffffffff",
    "1e1",
    "5, 5",
    "5,6",
];

/// Makes up to four changes.
pub fn mutate(random: &mut Rng, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..random.usize(0..=4) {
        if bytes.is_empty() {
            break;
        }
        change(random, &mut bytes);
    }
    bytes
}

fn change(random: &mut Rng, bytes: &mut Vec<u8>) {
    let at = random.usize(..bytes.len());
    let to = (at + random.usize(1..=24)).min(bytes.len());
    match random.u8(..12) {
        0 => bytes[at] ^= 1 << random.u8(..8),
        1 => bytes[at] = random.u8(..),
        2..5 => {
            let piece = PIECES[random.usize(..PIECES.len())];
            bytes.splice(at..at, piece.iter().copied());
        }
        // Where a line begins is where most is decided.
        5 => {
            let piece = PIECES[random.usize(..PIECES.len())];
            let at = lines(bytes).get(random.usize(..8)).map_or(at, |line| line.0);
            bytes.splice(at..at, piece.iter().copied());
        }
        6 => drop(bytes.drain(at..to)),
        7 => {
            let copy = bytes[at..to].to_vec();
            bytes.splice(at..at, copy);
        }
        8 => {
            let lines = lines(bytes);
            let (from, to) = lines[random.usize(..lines.len())];
            let line = bytes[from..to].to_vec();
            if random.bool() {
                bytes.drain(from..to);
            }
            let at = lines[random.usize(..lines.len())].0.min(bytes.len());
            bytes.splice(at..at, line);
        }
        9 => {
            let number = NUMBERS[random.usize(..NUMBERS.len())];
            let is_digit = |i: &usize| bytes[*i].is_ascii_digit();
            let from = (at..bytes.len()).find(is_digit).unwrap_or(at);
            let to = (from..bytes.len()).find(|i| !is_digit(i)).unwrap_or(bytes.len());
            bytes.splice(from..to, number.bytes());
        }
        10 => {
            if let Some(at) = (at..bytes.len()).find(|i| bytes[*i] == b'\r') {
                bytes.remove(at);
            }
        }
        _ => bytes.truncate(at),
    }
}

/// Where lines begin and end.
fn lines(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut from = 0;
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').map(|line| {
        let begin = from;
        from += line.len();
        (begin, from)
    });
    lines.collect()
}
