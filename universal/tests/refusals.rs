//! What is refused, on small modules with made-up native code.

use universal::build_info::{BuildInfo, Content, Section};
use universal::{Flaw, check, join, native_code};

/// A module with one function, which does nothing, and `name` in a section that no runtime looks at.
fn plain(name: &str) -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    module.extend(section(1, &[1, 0x60, 0, 0]));
    module.extend(section(3, &[1, 0]));
    module.extend(section(10, &[1, 2, 0, 0x0b]));
    module.extend(custom("name-of-the-test", name.as_bytes()));
    module
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    assert!(length < 0x80);
    [&[id, length], content].concat()
}

fn custom(name: &str, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    section(0, &[&[length], name.as_bytes(), content].concat())
}

const LINUX: u8 = 1;
const AMD64: u8 = 1;
const ARM64: u8 = 2;

/// Native code for a module with `functions` functions of one type, all of them at the start of a text of four bytes.
fn code(format: u8, architecture: u8, functions: u8) -> Vec<u8> {
    let mut code = vec![format, LINUX, architecture, 0, 0, 1, 16, functions];
    code.extend(vec![16; usize::from(functions)]);
    code.extend([1, 1, 16, 4, 4, 0xc3, 0xc3, 0xc3, 0xc3]);
    code
}

fn compiled(plain: &[u8], code: &[u8]) -> Vec<u8> {
    [plain, &custom("wasmedge", code)].concat()
}

fn universal() -> (Vec<u8>, Vec<u8>, BuildInfo) {
    let plain = plain("one");
    let parts = [code(1, AMD64, 1), code(1, ARM64, 1), code(2, AMD64, 1)];
    let module = join(&plain, &parts.map(|code| compiled(&plain, &code))).unwrap();
    let sections = native_code(&plain, &module).unwrap();
    let info = BuildInfo {
        version: String::new(),
        commit: String::new(),
        rustc: String::new(),
        wasm_opt: String::new(),
        plain: Content::of(&plain),
        universal: Content::of(&module),
        sections: sections.iter().map(|code| Section::new(code, "")).collect(),
    };
    (plain, module, info)
}

fn flaw<T>(result: Result<T, Flaw>) -> String {
    result.err().expect("a flaw").to_string()
}

#[test]
fn a_joined_module_is_the_plain_one_and_each_native_code_in_order() {
    let (plain, module, info) = universal();
    assert!(module.starts_with(&plain));
    let found = check(&plain, &module, &info).unwrap();
    let machines: Vec<_> = found.iter().map(|code| code.machine()).collect();
    assert_eq!(
        machines,
        ["linux/amd64 in format 1", "linux/arm64 in format 1", "linux/amd64 in format 2"]
    );
}

#[test]
fn native_code_of_another_module_is_refused() {
    let (plain, ..) = universal();
    let other = self::plain("two");
    let error = flaw(join(&plain, &[compiled(&other, &code(1, AMD64, 1))]));
    assert_eq!(error, "it does not begin with the plain module");
    let error = flaw(join(&plain, &[compiled(&plain, &code(1, AMD64, 2))]));
    assert!(error.starts_with("the native code for linux/amd64 in format 1 was made from another"));
}

#[test]
fn native_code_that_was_exchanged_is_refused() {
    let (plain, module, info) = universal();
    // Another instruction; all that is around it is as it was.
    let mut exchanged = module.clone();
    *exchanged.last_mut().unwrap() = 0x90;
    let error = flaw(check(&plain, &exchanged, &info));
    assert_eq!(
        error,
        "the native code for linux/amd64 in format 2 is not the one that BUILDINFO tells of"
    );
}

#[test]
fn a_wrong_architecture_is_refused() {
    let (plain, module, info) = universal();
    let at = module.len() - code(2, AMD64, 1).len() + 2;
    for (byte, expected) in [
        (
            ARM64,
            "there is native code for linux/arm64 in format 2 where that for linux/amd64 in format 2 should be",
        ),
        (9, "native code is for the unknown processor 9"),
    ] {
        let mut module = module.clone();
        assert_eq!(std::mem::replace(&mut module[at], byte), AMD64);
        assert_eq!(flaw(check(&plain, &module, &info)), expected);
    }
}

#[test]
fn native_code_that_is_cut_off_is_refused() {
    let (plain, module, info) = universal();
    for length in plain.len()..module.len() {
        assert!(check(&plain, &module[..length], &info).is_err(), "{length} bytes");
    }
    // The section is whole, its content is not.
    let whole = code(1, AMD64, 1);
    for length in 0..whole.len() {
        let error = flaw(join(&plain, &[compiled(&plain, &whole[..length])]));
        assert_eq!(error, "native code is cut off", "{length} bytes");
    }
    let longer = [&whole[..], &[0]].concat();
    assert_eq!(
        flaw(join(&plain, &[compiled(&plain, &longer)])),
        "native code goes on behind its end"
    );
}

#[test]
fn a_changed_plain_module_is_refused() {
    let (plain, module, info) = universal();
    for changed in 0..plain.len() {
        let mut other = plain.clone();
        other[changed] ^= 1;
        assert!(check(&other, &module, &info).is_err(), "plain, byte {changed}");
        let mut module = module.clone();
        module[changed] ^= 1;
        assert!(check(&plain, &module, &info).is_err(), "universal, byte {changed}");
        // Both alike, so only BUILDINFO can tell.
        assert!(check(&other, &module, &info).is_err(), "both, byte {changed}");
    }
}

#[test]
fn native_code_for_a_machine_that_is_missing_double_or_out_of_order_is_refused() {
    let (plain, _, info) = universal();
    let join = |codes: &[Vec<u8>]| {
        let compiled: Vec<_> = codes.iter().map(|code| compiled(&plain, code)).collect();
        join(&plain, &compiled)
    };
    let [first, second, third] = [code(1, AMD64, 1), code(1, ARM64, 1), code(2, AMD64, 1)];
    let missing = join(&[first.clone(), second.clone()]).unwrap();
    assert_eq!(flaw(check(&plain, &missing, &info)), "it has native code for 2 machines, not 3");
    let reordered = join(&[second, first.clone(), third]).unwrap();
    assert!(flaw(check(&plain, &reordered, &info)).contains("where that for"));
    let double = flaw(join(&[first.clone(), first]));
    assert_eq!(double, "there is native code for linux/amd64 in format 1 twice");
}

#[test]
fn other_things_behind_the_plain_module_are_refused() {
    let (plain, module, info) = universal();
    let section = [&module[..], &custom("other", b"")].concat();
    assert_eq!(
        flaw(check(&plain, &section, &info)),
        "behind the plain module there is a section \"other\""
    );
    let code = [&module[..], &self::section(10, &[0])].concat();
    assert!(check(&plain, &code, &info).is_err());
    let nothing = [&module[..], b"\0"].concat();
    assert!(check(&plain, &nothing, &info).is_err());
}
