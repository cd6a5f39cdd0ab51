//! `BUILDINFO`: what a release was made from, with what, and what is in it.

use serde::{Deserialize, Serialize};

use crate::{Flaw, NativeCode, section, sha256};

/// The content of `BUILDINFO`, as JSON.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BuildInfo {
    /// The version of the program.
    pub version: String,
    /// The commit of its sources, with `-dirty` behind it if they were changed.
    pub commit: String,
    /// The compiler, in its own words.
    pub rustc: String,
    /// The optimizer, in its own words.
    pub wasm_opt: String,
    /// `todo.wasm`
    pub plain: Content,
    /// `todo-universal.wasm`
    pub universal: Content,
    /// The native code in it, in its order.
    pub sections: Vec<Section>,
}

/// One section of native code.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Section {
    /// The version of the section's format.
    pub format: u32,
    /// The system it is for.
    pub system: String,
    /// The processor it is for.
    pub architecture: String,
    /// The WasmEdge that made it, in its own words.
    pub wasmedge: String,
    /// Its bytes.
    #[serde(flatten)]
    pub content: Content,
}

impl Section {
    /// What is to be told of `code`, which `wasmedge` made.
    pub fn new(code: &NativeCode<'_>, wasmedge: &str) -> Self {
        Self {
            format: code.format,
            system: code.system.to_string(),
            architecture: code.architecture.to_string(),
            wasmedge: wasmedge.to_owned(),
            content: Content::of(code.bytes),
        }
    }

    /// The machines that it is for, in words.
    pub fn machine(&self) -> String {
        section::machine(self.format, &self.system, &self.architecture)
    }
}

/// Bytes, told by their number and digest.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Content {
    /// How many there are.
    pub bytes: usize,
    /// Their SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Content {
    /// What is to be told of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len(), sha256: sha256(bytes) }
    }

    /// Checks that `bytes` are the ones told of.
    ///
    /// # Errors
    /// A [`Flaw`] that begins with `what`.
    pub fn check(&self, bytes: &[u8], what: &str) -> Result<(), Flaw> {
        if Self::of(bytes) == *self {
            Ok(())
        } else {
            Err(Flaw::new(format!("{what} is not the one that BUILDINFO tells of")))
        }
    }
}
