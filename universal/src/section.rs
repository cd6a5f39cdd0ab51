//! Native code as WasmEdge stores it. The layout is WasmEdge's own; there is no public description but its sources.

use std::fmt;

use wasmparser::BinaryReader;

use crate::Flaw;

/// A system that native code is for, with WasmEdge's number of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// 1
    Linux,
    /// 2
    MacOs,
    /// 3
    Windows,
}

/// A processor that native code is for, with WasmEdge's number of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// 1: x86-64
    Amd64,
    /// 2: AArch64
    Arm64,
    /// 3: 64-bit RISC-V
    Riscv64,
}

impl fmt::Display for System {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Linux => "linux",
            Self::MacOs => "macos",
            Self::Windows => "windows",
        })
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
            Self::Riscv64 => "riscv64",
        })
    }
}

/// One section of native code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeCode<'a> {
    /// The version of the section's format: 1 up to WasmEdge 0.14, 2 from 0.15 to 0.17.
    pub format: u32,
    /// The system it is for.
    pub system: System,
    /// The processor it is for.
    pub architecture: Architecture,
    /// How many types of functions there are in the module that it was made from.
    pub types: usize,
    /// How many functions there are in that module.
    pub functions: usize,
    /// All of the section's content.
    pub bytes: &'a [u8],
}

/// The machines that a section is for, in words.
pub(crate) fn machine(
    format: u32,
    system: impl fmt::Display,
    architecture: impl fmt::Display,
) -> String {
    format!("{system}/{architecture} in format {format}")
}

/// One piece of the memory that native code is loaded into.
struct Segment {
    kind: u8,
    start: u64,
    end: u64,
}

impl Segment {
    const TEXT: u8 = 1;
    /// Text, data, zeros, tables for unwinding.
    const KINDS: std::ops::RangeInclusive<u8> = 1..=4;
}

impl<'a> NativeCode<'a> {
    /// Reads the content of a section to its last byte.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Flaw> {
        let cut_off = |_| Flaw::new("native code is cut off");
        let mut reader = BinaryReader::new(bytes, 0);
        let format = reader.read_var_u32().map_err(cut_off)?;
        if !(1..=3).contains(&format) {
            return Err(Flaw::new(format!("native code has the unknown format {format}")));
        }
        let system = match reader.read_u8().map_err(cut_off)? {
            1 => System::Linux,
            2 => System::MacOs,
            3 => System::Windows,
            other => {
                return Err(Flaw::new(format!("native code is for the unknown system {other}")));
            }
        };
        let architecture = match reader.read_u8().map_err(cut_off)? {
            1 => Architecture::Amd64,
            2 => Architecture::Arm64,
            3 => Architecture::Riscv64,
            other => {
                return Err(Flaw::new(format!("native code is for the unknown processor {other}")));
            }
        };
        // Where the version and the table of the runtime's functions are.
        for _ in 0..2 {
            reader.read_var_u64().map_err(cut_off)?;
        }
        let mut addresses = || -> Result<Vec<u64>, wasmparser::BinaryReaderError> {
            let count = reader.read_var_u64()?;
            (0..count).map(|_| reader.read_var_u64()).collect()
        };
        let types = addresses().map_err(cut_off)?;
        let functions = addresses().map_err(cut_off)?;

        let mut segments = Vec::new();
        for _ in 0..reader.read_var_u64().map_err(cut_off)? {
            let kind = reader.read_u8().map_err(cut_off)?;
            if !Segment::KINDS.contains(&kind) {
                return Err(Flaw::new(format!(
                    "native code has a segment of the unknown kind {kind}"
                )));
            }
            let start = reader.read_var_u64().map_err(cut_off)?;
            let size = reader.read_var_u64().map_err(cut_off)?;
            let length = reader.read_var_u64().map_err(cut_off)?;
            let end = start.checked_add(size).filter(|_| length <= size);
            let end =
                end.ok_or_else(|| Flaw::new("native code has a segment longer than its room"))?;
            let length =
                usize::try_from(length).map_err(|_| Flaw::new("native code is too long"))?;
            reader.read_bytes(length).map_err(cut_off)?;
            segments.push(Segment { kind, start, end });
        }
        if !reader.eof() {
            return Err(Flaw::new("native code goes on behind its end"));
        }
        let is_code = |address: &u64| {
            segments.iter().any(|segment| {
                segment.kind == Segment::TEXT && (segment.start..segment.end).contains(address)
            })
        };
        if !types.iter().chain(&functions).all(is_code) {
            return Err(Flaw::new("native code has a function outside of its text"));
        }
        let (types, functions) = (types.len(), functions.len());
        Ok(Self { format, system, architecture, types, functions, bytes })
    }

    /// The machines that it is for, in words.
    pub fn machine(&self) -> String {
        machine(self.format, self.system, self.architecture)
    }
}
