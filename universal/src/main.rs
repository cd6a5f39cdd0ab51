//! `universal join FOLDER COMPILED...` and `universal check FOLDER [MACHINE...]`: see [`USAGE`].

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use universal::build_info::{BuildInfo, Content, Section};
use universal::{check, join, native_code};

const USAGE: &str = "\
usage: universal join FOLDER COMPILED...
         Writes todo-universal.wasm and BUILDINFO into FOLDER, which has todo.wasm. Each COMPILED is WasmEdge's
         native version of that, and COMPILED.txt the version of that WasmEdge. Takes VERSION, COMMIT, COMPILER and
         OPTIMIZER from the environment.
       universal check FOLDER [FORMAT/SYSTEM/ARCHITECTURE...]
         Checks that todo-universal.wasm in FOLDER is todo.wasm with the native code that BUILDINFO tells of, and
         that there is some for each machine named.";

const PLAIN: &str = "todo.wasm";
const UNIVERSAL: &str = "todo-universal.wasm";
const BUILD_INFO: &str = "BUILDINFO";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["join", folder, compiled @ ..] => join_in(Path::new(folder), compiled),
        ["check", folder, machines @ ..] => check_in(Path::new(folder), machines),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(64);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("universal: {error}");
            ExitCode::FAILURE
        }
    }
}

fn join_in(folder: &Path, compiled: &[&str]) -> Result<(), Box<dyn Error>> {
    let variable = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
    let plain = read(&folder.join(PLAIN))?;
    let modules = compiled.iter().map(|file| read(Path::new(file)));
    let modules = modules.collect::<Result<Vec<_>, _>>()?;
    let universal = join(&plain, &modules)?;
    let makers = compiled.iter().map(|file| {
        let file = format!("{file}.txt");
        fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))
    });
    let makers = makers.collect::<Result<Vec<_>, _>>()?;
    let sections = native_code(&plain, &universal)?;
    let info = BuildInfo {
        version: variable("VERSION")?,
        commit: variable("COMMIT")?,
        rustc: variable("COMPILER")?,
        wasm_opt: variable("OPTIMIZER")?,
        plain: Content::of(&plain),
        universal: Content::of(&universal),
        sections: sections
            .iter()
            .zip(&makers)
            .map(|(code, by)| Section::new(code, by.trim()))
            .collect(),
    };
    fs::write(folder.join(UNIVERSAL), &universal)?;
    fs::write(folder.join(BUILD_INFO), serde_json::to_string_pretty(&info)? + "\n")?;
    Ok(())
}

fn check_in(folder: &Path, machines: &[&str]) -> Result<(), Box<dyn Error>> {
    let (plain, universal) = (read(&folder.join(PLAIN))?, read(&folder.join(UNIVERSAL))?);
    let info: BuildInfo = serde_json::from_slice(&read(&folder.join(BUILD_INFO))?)?;
    let sections =
        check(&plain, &universal, &info).map_err(|flaw| format!("{UNIVERSAL}: {flaw}"))?;
    println!("{:>9}  {PLAIN}  {}", plain.len(), info.plain.sha256);
    println!("{:>9}  {UNIVERSAL}  {}", universal.len(), info.universal.sha256);
    for (code, told) in sections.iter().zip(&info.sections) {
        println!("{:>9}    {}, by {}", code.bytes.len(), code.machine(), told.wasmedge);
    }
    for machine in machines {
        let has = |code: &universal::NativeCode<'_>| {
            format!("{}/{}/{}", code.format, code.system, code.architecture) == *machine
        };
        if !sections.iter().any(has) {
            return Err(format!("{UNIVERSAL}: there is no native code for {machine}").into());
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
}
