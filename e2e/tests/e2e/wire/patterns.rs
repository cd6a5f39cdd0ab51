//! What is sent: requests as clients send them, and the published ways to have two readers see different requests.
//!
//! | source | what is taken from it |
//! |---|---|
//! | Linhart, Klein, Heled, Orrin: "HTTP Request Smuggling", Watchfire, 2005 | two lengths, a body for a method without one |
//! | RFC 9112, sections 2.2, 2.3, 3, 5, 6, 7 and 11.2 | lines, versions, targets, fields, lengths, chunks |
//! | Kettle: "HTTP Desync Attacks: Request Smuggling Reborn", 2019 | CL.TE, TE.CL, TE.TE |
//! | Klein: "HTTP Request Smuggling in 2020", Black Hat 2020 | lengths with signs and white space, CR in names, other variants |
//! | Kettle: "Browser-Powered Desync Attacks", 2022 | CL.0 |
//! | Kallus, Anantharaman, Locasto, Smith: "The HTTP Garden", 2024 | sizes of chunks, NUL, versions |
//! | Weikop: "Funky chunks", 2025 | what ends the lines of chunks: TERM.EXT, EXT.TERM, TERM.SPILL, SPILL.TERM |
//! | Kettle: "HTTP/1.1 must die: the desync endgame", 2025 | 0.CL, `Expect` |
//! | RFC 9113, section 3.4; RFC 1945, section 4.1 | the preface of HTTP/2; requests of HTTP/0.9 |

/// What must never be taken for a request, where it is hidden.
const HIDDEN: &str = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";

/// Requests that are as they must be.
pub fn requests() -> Vec<Vec<u8>> {
    let body = r#"{"title":"a","description":"b"}"#;
    let length = body.len();
    let with = |line: &str, fields: &str, body: &str| {
        format!("{line} HTTP/1.1\r\nHost: test\r\n{fields}\r\n{body}").into_bytes()
    };
    let sized = format!("Content-Length: {length}\r\n");
    let chunked = "Transfer-Encoding: chunked\r\n";
    vec![
        with("GET /health", "", ""),
        with("GET /api/todos?limit=2&completed=false", "Accept: */*\r\n", ""),
        with("GET /api/todos/1", "If-None-Match: \"0123456789abcdef-1\"\r\n", ""),
        with("HEAD /livez", "User-Agent: a\r\n", ""),
        with("OPTIONS *", "", ""),
        with("OPTIONS /api/todos", "Origin: http://a\r\n", ""),
        with("DELETE /api/todos/2", "If-Match: *\r\n", ""),
        with("POST /api/todos", &format!("{sized}Content-Type: application/json\r\n"), body),
        with("POST /api/todos", chunked, &format!("{length:x}\r\n{body}\r\n0\r\n\r\n")),
        with(
            "POST /api/todos",
            chunked,
            "1;a=b\r\n{\r\nb;c\r\n\"title\":\"x\"\r\n1\r\n}\r\n0;d\r\nE: f\r\n\r\n",
        ),
        with("PUT /api/todos/1", &format!("{sized}If-Match: \"a\", \"b\"\r\n"), body),
        with(
            "PATCH /api/todos/1",
            "Content-Length: 18\r\nExpect: 100-continue\r\n",
            "{\"completed\":true}",
        ),
        with("POST /nowhere", &sized, body),
        b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_vec(),
        b"GET /readyz HTTP/1.0\r\n\r\n".to_vec(),
        b"GET http://test/health HTTP/1.1\r\nHost: test\r\n\r\n".to_vec(),
        b"GET /livez HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".to_vec(),
    ]
}

/// Requests with another end for some readers, each with [`HIDDEN`] where these would see one more.
pub fn patterns() -> Vec<Vec<u8>> {
    let lengths = lengths().into_iter().chain(codings());
    lengths.chain(chunks()).chain(lines()).chain(other_protocols()).collect()
}

fn post(fields: &str, body: &str) -> Vec<u8> {
    format!("POST /api/todos HTTP/1.1\r\nHost: test\r\n{fields}\r\n\r\n{body}").into_bytes()
}

/// Content-Length, alone and beside Transfer-Encoding.
fn lengths() -> Vec<Vec<u8>> {
    let hidden = HIDDEN.len();
    let whole = format!("0\r\n\r\n{HIDDEN}");
    let long = whole.len();
    let mut all = vec![
        // CL.TE and TE.CL, in both orders.
        post(&format!("Content-Length: {long}\r\nTransfer-Encoding: chunked"), &whole),
        post(&format!("Transfer-Encoding: chunked\r\nContent-Length: {long}"), &whole),
        post(
            "Content-Length: 4\r\nTransfer-Encoding: chunked",
            &format!("{hidden:x}\r\n{HIDDEN}\r\n0\r\n\r\n"),
        ),
        post(
            "Transfer-Encoding: chunked\r\nContent-Length: 4",
            &format!("{hidden:x}\r\n{HIDDEN}\r\n0\r\n\r\n"),
        ),
        // 0.CL: a reader that does not see the length.
        post(&format!("Content-Length : {hidden}"), HIDDEN),
        post(&format!("Content-Length\t: {hidden}"), HIDDEN),
        post(&format!("Content-Length:\r\n {hidden}"), HIDDEN),
        post(&format!(" Content-Length: {hidden}"), HIDDEN),
        post(&format!("X: y\r Content-Length: {hidden}"), HIDDEN),
        post(&format!("X: y\rContent-Length: {hidden}"), HIDDEN),
        post(&format!("X: y\nContent-Length: {hidden}"), HIDDEN),
        post(&format!("Content_Length: {hidden}"), HIDDEN),
        post(&format!("Content-Length\0: {hidden}"), HIDDEN),
        post(&format!("Content-Length: {hidden}\r\nExpect: 100-continue"), HIDDEN),
        post(&format!("Content-Length: {hidden}\r\nExpect: y 100-continue"), HIDDEN),
        post(&format!("Content-Length: {hidden}\r\nConnection: Content-Length"), HIDDEN),
    ];
    // Two lengths, and what is no length.
    for value in [
        &format!("0\r\nContent-Length: {hidden}"),
        &format!("{hidden}\r\nContent-Length: 0"),
        &format!("{hidden}\r\nContent-Length: {hidden}"),
        &format!("0, {hidden}"),
        &format!("{hidden}, {hidden}"),
        &format!("{hidden},"),
        &format!("+{hidden}"),
        "-0",
        "-1",
        &format!("0{hidden}"),
        &format!("0x{hidden:x}"),
        &format!("{hidden:x}h"),
        &format!("{hidden}.0"),
        &format!("{hidden}e0"),
        &format!("{hidden} 0"),
        &format!("0 {hidden}"),
        &format!("\"{hidden}\""),
        &format!("\u{b}{hidden}"),
        &format!("{hidden}\u{c}"),
        &format!("{hidden}\0"),
        &format!("\u{a0}{hidden}"),
        "",
        "18446744073709551616",
        "18446744073709551615",
        "9223372036854775808",
        "4294967296",
        "99999999999999999999999999",
    ] {
        all.push(post(&format!("Content-Length: {value}"), HIDDEN));
    }
    // CL.0: a body where none is expected.
    for line in [
        "GET /health",
        "HEAD /health",
        "DELETE /api/todos/9",
        "OPTIONS *",
        "TRACE /",
        "CONNECT test:80",
        "POST /nowhere",
        "POST /health",
    ] {
        for version in ["1.1", "1.0"] {
            all.push(format!("{line} HTTP/{version}\r\nHost: test\r\nConnection: keep-alive\r\nContent-Length: {hidden}\r\n\r\n{HIDDEN}").into_bytes());
        }
        let body = format!("{hidden:x}\r\n{HIDDEN}\r\n0\r\n\r\n");
        all.push(
            format!("{line} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
                .into_bytes(),
        );
    }
    all
}

/// TE.TE: Transfer-Encoding as some do not know it.
fn codings() -> Vec<Vec<u8>> {
    let body = format!("0\r\n\r\n{HIDDEN}");
    let long = body.len();
    let names = [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\tchunked",
        "Transfer-Encoding:chunked",
        "Transfer-Encoding: chunked ",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding:\u{c}chunked",
        "Transfer-Encoding: chunked\u{b}",
        "Transfer-Encoding: chunked\0",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: 'chunked'",
        "Transfer-Encoding: Chunked",
        "tRANSFER-eNCODING: chunked",
        "Transfer_Encoding: chunked",
        "Transfer-Encoding\0: chunked",
        "Transfer-Encoding\r: chunked",
        "\u{b}Transfer-Encoding: chunked",
        " Transfer-Encoding: chunked",
        "X: y\nTransfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding:\n chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked;a=b",
        "Transfer-Encoding: ,chunked,",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
        "Transfer-Encoding: chu\u{212a}ed",
        "Transfer-Encoding: chunk",
        "Transfer-Encoding:",
        "Transfer-Encoding: cow",
        "Transfer-Encoding: \u{a0}chunked",
        "Transfer-Encoding: chunked\u{85}",
        "TE: chunked",
        "Content-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding",
    ];
    let alone = names.iter().map(|name| post(name, &body));
    let beside = names.iter().map(|name| post(&format!("Content-Length: {long}\r\n{name}"), &body));
    let old = post("Transfer-Encoding: chunked\r\nConnection: keep-alive", &body);
    let old = String::from_utf8_lossy(&old)
        .replace("HTTP/1.1\r\nHost: test\r\nT", "HTTP/1.0\r\nHost: test\r\nT");
    alone.chain(beside).chain([old.into_bytes()]).collect()
}

/// Sizes, extensions, line ends and trailers of chunks.
fn chunks() -> Vec<Vec<u8>> {
    let (hidden, size) = (HIDDEN, HIDDEN.len());
    let end = "0\r\n\r\n";
    let bodies = [
        // TERM.EXT and EXT.TERM: a size line that ends with LF for some.
        format!("2;\nxx\r\n{size:x}\r\n{hidden}\r\n{end}"),
        format!("2\nxx\r\n{end}{hidden}"),
        format!("2\rxx\r\n{end}{hidden}"),
        format!("2\r\rxx\r\n{end}{hidden}"),
        format!("2;\rxx\r\n{end}{hidden}"),
        format!("2;a\n\r\nxx\r\n{end}{hidden}"),
        format!("0;\n\r\n{hidden}"),
        format!("0\n\r\n{hidden}"),
        format!("0\n\n{hidden}"),
        format!("0\r\n\n{hidden}"),
        format!("0\r\r\n{hidden}"),
        // TERM.SPILL and SPILL.TERM: what stands between a chunk and the next.
        format!("2\r\nxx\n{end}{hidden}"),
        format!("2\r\nxx\r{end}{hidden}"),
        format!("2\r\nxxyy{end}{hidden}"),
        format!("2\r\nxx{end}{hidden}"),
        format!("2\r\nxx\r\n\r\n{end}{hidden}"),
        format!("2\r\nxxx\r\n{end}{hidden}"),
        // Sizes.
        format!("\r\n\r\n{hidden}"),
        format!(";a\r\n\r\n{hidden}"),
        format!(" 0\r\n\r\n{hidden}"),
        format!("0 \r\n\r\n{hidden}"),
        format!("0x0\r\n\r\n{hidden}"),
        format!("0x{size:x}\r\n{hidden}\r\n{end}"),
        format!("-0\r\n\r\n{hidden}"),
        format!("-1\r\nx\r\n{end}{hidden}"),
        format!("+2\r\nxx\r\n{end}{hidden}"),
        format!("2_0\r\nxx\r\n{end}{hidden}"),
        format!("2 0\r\nxx\r\n{end}{hidden}"),
        format!("00000000000000000000000000000002\r\nxx\r\n{end}{hidden}"),
        format!("10000000000000000\r\n\r\n{hidden}"),
        format!("10000000000000002\r\nxx\r\n{end}{hidden}"),
        format!("100000002\r\nxx\r\n{end}{hidden}"),
        format!("ffffffffffffffff\r\nxx\r\n{end}{hidden}"),
        format!("fffffffffffffffe\r\nxx\r\n{end}{hidden}"),
        format!("7fffffffffffffff\r\nxx\r\n{end}{hidden}"),
        format!("2\0\r\nxx\r\n{end}{hidden}"),
        format!("2g\r\nxx\r\n{end}{hidden}"),
        // Extensions.
        format!("2;{}\r\nxx\r\n{end}{hidden}", "a".repeat(5_000)),
        format!("2;a=\"\r\n{hidden}\"\r\nxx\r\n{end}"),
        format!("2;a=\"\n\"\r\nxx\r\n{end}{hidden}"),
        format!("2;\0\r\nxx\r\n{end}{hidden}"),
        // Trailers.
        format!("0\r\nA: b\r\n\r\n{hidden}"),
        format!("0\r\nA: b\n\n{hidden}"),
        format!("0\r\nA: b\n\r\n{hidden}"),
        format!("0\r\nA: b\r\r\n\r\n{hidden}"),
        format!("0\r\nA\r\n\r\n{hidden}"),
        format!("0\r\n A: b\r\n\r\n{hidden}"),
        format!("0\r\nA: \0\r\n\r\n{hidden}"),
        format!("0\r\nContent-Length: {size}\r\n\r\n{hidden}"),
        format!("0\r\nTransfer-Encoding: chunked\r\n\r\n{hidden}"),
        format!("0\r\nHost: other\r\n\r\n{hidden}"),
        format!("0\r\n{hidden}"),
        format!("0\r\n\r{hidden}"),
        // Nothing behind the last chunk.
        "2\r\nxx\r\n0\r\n".to_owned(),
        "2\r\nxx\r\n".to_owned(),
    ];
    bodies.iter().map(|body| post("Transfer-Encoding: chunked", body)).collect()
}

/// Lines, targets and versions.
fn lines() -> Vec<Vec<u8>> {
    let long = "a".repeat(9_000);
    let huge = "a".repeat(70_000);
    let texts = [
        "GET /health HTTP/1.1\nHost: test\n\n".to_owned(),
        "GET /health HTTP/1.1\rHost: test\r\r".to_owned(),
        "GET /health HTTP/1.1\r\nHost: test\r\n\n".to_owned(),
        "GET /health HTTP/1.1\n\rHost: test\r\n\r\n".to_owned(),
        format!("GET /health HTTP/1.1\r\nHost: test\r\nA: b\n\n{HIDDEN}\r\n"),
        format!("GET /health HTTP/1.1\r\nHost: test\r\nA: b\r\r{HIDDEN}\r\n"),
        format!("GET /health HTTP/1.1\r\nHost: test\r\nA: b\n\r\n{HIDDEN}"),
        format!("GET /health HTTP/1.1\r\nHost: test\r\n \r\n{HIDDEN}"),
        format!("GET /health HTTP/1.1\r\nHost: test\r\nA: b\r\n\tc\r\n\r\n{HIDDEN}"),
        format!("GET /health HTTP/1.1\r\n Host: test\r\n\r\n{HIDDEN}"),
        "GET /health HTTP/1.1\r\nHost: test\r\nHost: other\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nHost: test, other\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nHost : test\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nHost: te\0st\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nHost: test\r\n: empty\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nHost: test\r\nno colon\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nHost: test\r\nA\u{e9}: b\r\n\r\n".to_owned(),
        "GET /he\0alth HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "GET /health\u{e9} HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "GET  /health HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "GET /health  HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "GET\t/health\tHTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1 \r\nHost: test\r\n\r\n".to_owned(),
        " GET /health HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "GET /a b HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "GET health HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "GET #a HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "GET /health#a HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "GET * HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "GET test:80 HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "CONNECT test:80 HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "CONNECT /health HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "GET http://other/health HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "GET http://a@b:99999/health HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "GET http:///health HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "GET //test/health HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "GET /%00%0d%0a HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "get /health HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        "G@T /health HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
        format!("GET /{long} HTTP/1.1\r\nHost: test\r\n\r\n"),
        format!("GET /{huge} HTTP/1.1\r\nHost: test\r\n\r\n"),
        format!("GET /health HTTP/1.1\r\nHost: test\r\nA: {long}\r\n\r\n"),
        format!("GET /health HTTP/1.1\r\nHost: test\r\nA: {huge}\r\n\r\n"),
        format!("GET /health HTTP/1.1\r\nHost: test\r\n{long}: a\r\n\r\n"),
        format!("{long} /health HTTP/1.1\r\nHost: test\r\n\r\n"),
        format!("GET /health HTTP/1.1\r\nHost: test\r\n{}\r\n", "A: b\r\n".repeat(150)),
        "\r\n".repeat(2_000) + "GET /health HTTP/1.1\r\nHost: test\r\n\r\n",
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

/// What is not HTTP/1.1 and 1.0.
fn other_protocols() -> Vec<Vec<u8>> {
    let with =
        |version: &str| format!("GET /health {version}\r\nHost: test\r\n\r\n{HIDDEN}").into_bytes();
    let versions = [
        "HTTP/1.2",
        "HTTP/1.9",
        "HTTP/1.10",
        "HTTP/1.",
        "HTTP/1",
        "HTTP/01.1",
        "HTTP/0.9",
        "HTTP/2.0",
        "HTTP/3.0",
        "http/1.1",
        "HTTP/1,1",
        "HTTP/1.1\0",
        "HTTP/1.\u{b9}",
        "ICY/1.1",
        "HTTPS/1.1",
    ];
    let mut all: Vec<_> = versions.into_iter().map(with).collect();
    all.extend([
        format!("GET /health\r\n{HIDDEN}").into_bytes(),
        format!("GET /health\n\n{HIDDEN}").into_bytes(),
        format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0{HIDDEN}").into_bytes(),
        format!("GET /health HTTP/1.1\r\nHost: test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n{HIDDEN}").into_bytes(),
        format!("GET /health HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 99\r\n\r\n{HIDDEN}").into_bytes(),
        [&[0x16, 0x03, 0x01, 0x02, 0, 1, 0, 1, 0xfc, 3, 3][..], HIDDEN.as_bytes()].concat(),
        [&[0xff, 0xfe, 0, 0][..], HIDDEN.as_bytes()].concat(),
        [&[0xef, 0xbb, 0xbf][..], HIDDEN.as_bytes()].concat(),
        format!("PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n{HIDDEN}").into_bytes(),
        [&b"\r\n\r\n\0\r\nQUIT\n"[..], HIDDEN.as_bytes()].concat(),
        vec![0; 64],
        b"\n\n\n\n".to_vec(),
        b"\r\r\r\r".to_vec(),
    ]);
    all
}
