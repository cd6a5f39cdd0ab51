//! A universal module is a WebAssembly module with native code for several machines behind it.
//!
//! WasmEdge keeps native code in a custom section named `wasmedge` (WebAssembly core specification, section 5.5.3). It looks at
//! all of them and uses the last one that fits its own format, system and processor; every other runtime, and a WasmEdge
//! that none fits, sees the plain module. [`join`] makes such a module of several that WasmEdge compiled from the same
//! plain one, [`check`] proves of a module that it is one.

pub mod build_info;
mod section;

use std::fmt;

use sha2::{Digest, Sha256};
use wasmparser::{CompositeInnerType, Encoding, Parser, Payload, Validator};

use build_info::BuildInfo;
pub use section::{Architecture, NativeCode, System};

/// The name of the custom sections that hold native code.
const SECTION_NAME: &str = "wasmedge";

/// What is wrong with a module: one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw(String);

impl Flaw {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Flaw {}

impl From<wasmparser::BinaryReaderError> for Flaw {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self(format!("it is not a WebAssembly module: {error}"))
    }
}

/// The SHA-256 of `bytes`, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What of a module native code depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    types: usize,
    functions: usize,
}

/// Checks that `plain` is a module without native code.
fn shape(plain: &[u8]) -> Result<Shape, Flaw> {
    Validator::new().validate_all(plain)?;
    let mut shape = Shape { types: 0, functions: 0 };
    for payload in Parser::new(0).parse_all(plain) {
        match payload? {
            Payload::Version { encoding: Encoding::Component, .. } => {
                return Err(Flaw::new("it is a component, not a module"));
            }
            Payload::TypeSection(types) => {
                for group in types {
                    let is_function =
                        |inner: &CompositeInnerType| matches!(inner, CompositeInnerType::Func(_));
                    let types = group?;
                    shape.types +=
                        types.types().filter(|t| is_function(&t.composite_type.inner)).count();
                }
            }
            Payload::CodeSectionStart { count, .. } => shape.functions = count as usize,
            Payload::CustomSection(section) if section.name() == SECTION_NAME => {
                return Err(Flaw::new("the plain module has native code in it"));
            }
            _ => {}
        }
    }
    Ok(shape)
}

/// The native code in `module`, which must be `plain`, byte for byte, and nothing but sections of native code behind it. Each must
/// be complete, fit the plain module, and be the only one for its machine.
///
/// # Errors
/// The first [`Flaw`] found.
pub fn native_code<'a>(plain: &[u8], module: &'a [u8]) -> Result<Vec<NativeCode<'a>>, Flaw> {
    let shape = shape(plain)?;
    let Some(added) = module.strip_prefix(plain) else {
        return Err(Flaw::new("it does not begin with the plain module"));
    };
    let mut found: Vec<NativeCode<'a>> = Vec::new();
    let mut end = plain.len();
    for payload in Parser::new(0).parse_all(module) {
        let section = match payload? {
            Payload::CustomSection(section) if section.data_offset() > plain.len() => section,
            _ => continue,
        };
        if section.name() != SECTION_NAME {
            let name = section.name();
            return Err(Flaw::new(format!("behind the plain module there is a section {name:?}")));
        }
        let code = NativeCode::parse(section.data())?;
        let machine = code.machine();
        if (code.types, code.functions) != (shape.types, shape.functions) {
            return Err(Flaw::new(format!(
                "the native code for {machine} was made from another module: it has {} types and {} functions, not {} and {}",
                code.types, code.functions, shape.types, shape.functions
            )));
        }
        if found.iter().any(|other| other.machine() == machine) {
            return Err(Flaw::new(format!("there is native code for {machine} twice")));
        }
        end = section.range().end;
        found.push(code);
    }
    if end != plain.len() + added.len() {
        return Err(Flaw::new("behind the plain module there is something that is no section"));
    }
    Ok(found)
}

/// Joins modules that WasmEdge compiled from `plain`: its bytes, and their native code in the order given.
///
/// # Errors
/// A [`Flaw`] if one was made from another module, has no native code or more than one, or if two are for the same machine.
pub fn join(plain: &[u8], compiled: &[Vec<u8>]) -> Result<Vec<u8>, Flaw> {
    let mut module = plain.to_vec();
    for one in compiled {
        if native_code(plain, one)?.len() != 1 {
            return Err(Flaw::new("a compiled module has native code for one machine"));
        }
        module.extend_from_slice(&one[plain.len()..]);
    }
    native_code(plain, &module)?;
    Ok(module)
}

/// Checks that `module` is `plain` with exactly the native code that `info` tells of, in that order.
///
/// # Errors
/// The first [`Flaw`] found.
pub fn check<'a>(
    plain: &[u8],
    module: &'a [u8],
    info: &BuildInfo,
) -> Result<Vec<NativeCode<'a>>, Flaw> {
    info.plain.check(plain, "the plain module")?;
    let found = native_code(plain, module)?;
    if found.len() != info.sections.len() {
        let (is, should_be) = (found.len(), info.sections.len());
        return Err(Flaw::new(format!("it has native code for {is} machines, not {should_be}")));
    }
    for (code, told) in found.iter().zip(&info.sections) {
        let machine = code.machine();
        if machine != told.machine() {
            return Err(Flaw::new(format!(
                "there is native code for {machine} where that for {} should be",
                told.machine()
            )));
        }
        told.content.check(code.bytes, &format!("the native code for {machine}"))?;
    }
    info.universal.check(module, "the universal module")?;
    Ok(found)
}
