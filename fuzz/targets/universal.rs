//! Modules with native code: what is accepted begins with the plain module, and has nothing behind it but native code.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use universal::build_info::{BuildInfo, Content, Section};
use universal::{check, join, native_code};

/// A module with one function, which does nothing.
const PLAIN: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x04\x01\x02\0\x0b";

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    /// The contents of sections with native code.
    Sections(Vec<&'a [u8]>),
    /// What is behind the plain module.
    Behind(&'a [u8]),
    /// Two modules.
    Modules(&'a [u8], &'a [u8]),
    /// A description of what is behind the plain module.
    Described(&'a [u8], &'a str),
}

/// A section named `wasmedge`.
fn section(content: &[u8]) -> Vec<u8> {
    let content = [b"\x08wasmedge", content].concat();
    let mut section = vec![0];
    let mut length = content.len();
    while length >= 0x80 {
        section.push((length % 0x80) as u8 | 0x80);
        length /= 0x80;
    }
    section.push(length as u8);
    section.extend(content);
    section
}

fn run(plain: &[u8], module: &[u8]) {
    let Ok(found) = native_code(plain, module) else { return };
    assert!(module.starts_with(plain));
    // Each is a part of the module, behind the plain one, and they are in their order.
    let mut end = plain.len();
    for code in &found {
        let at = code.bytes.as_ptr().addr() - module.as_ptr().addr();
        assert!(at > end && at + code.bytes.len() <= module.len());
        assert!(module[..at].ends_with(b"\x08wasmedge"), "another section");
        end = at + code.bytes.len();
    }
    assert_eq!(end, module.len(), "something is behind the native code");
    let info = BuildInfo {
        version: String::new(),
        commit: String::new(),
        rustc: String::new(),
        wasm_opt: String::new(),
        plain: Content::of(plain),
        universal: Content::of(module),
        sections: found.iter().map(|code| Section::new(code, "")).collect(),
    };
    let text = serde_json::to_string(&info).expect("JSON");
    let info = serde_json::from_str(&text).expect("what was written");
    assert_eq!(check(plain, module, &info).as_ref(), Ok(&found));
    // Taken apart and joined again it is the same.
    let mut compiled = Vec::new();
    for code in &found {
        compiled.push([plain, &section(code.bytes)].concat());
    }
    let joined = join(plain, &compiled).expect("what was accepted");
    assert_eq!(native_code(plain, &joined).map(|again| again.len()), Ok(found.len()));
}

fuzz_target!(|input: Input<'_>| match input {
    Input::Sections(contents) => {
        let behind = contents.iter().flat_map(|content| section(content));
        run(PLAIN, &PLAIN.iter().copied().chain(behind).collect::<Vec<_>>());
    }
    Input::Behind(bytes) => run(PLAIN, &[PLAIN, bytes].concat()),
    Input::Modules(plain, module) => {
        run(plain, module);
        run(plain, &[plain, module].concat());
    }
    Input::Described(bytes, text) => {
        if let Ok(info) = serde_json::from_str(text) {
            let _ = check(PLAIN, &[PLAIN, bytes].concat(), &info);
        }
    }
});
