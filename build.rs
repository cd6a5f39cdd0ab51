//! Tells the program which compiler built it, and joins the web page from its parts.
//!
//! The page's style and script are put into its HTML, all without comments and indentation. `OUT_DIR` gets the result as `page.html` and `page.html.gz`; the program gets the hashes that its headers name.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::{env, fs, str};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

const OPENAPI: &str = "src/http/openapi.json";
const PAGE: &str = "src/http/web_page";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={PAGE}");
    println!("cargo:rerun-if-changed={OPENAPI}");
    println!("cargo:rerun-if-env-changed=RUSTC");
    println!("cargo:rustc-env=TODO_RUST_VERSION={}", compiler()?);
    println!("cargo:rustc-env=TODO_OPENAPI_HASH={}", digest(&fs::read(OPENAPI)?));
    page()
}

/// The start of a SHA-256 in hexadecimal digits: distinguishes releases.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn compiler() -> Result<String, Box<dyn Error>> {
    let rustc = env::var_os("RUSTC").ok_or("cargo sets RUSTC")?;
    let output = Command::new(rustc).arg("--version").output()?;
    // "rustc 1.97.1 (8bab26f4f 2026-06-30)": the second word.
    let version = str::from_utf8(&output.stdout)?.split_whitespace().nth(1);
    Ok(version.unwrap_or("unknown").to_owned())
}

fn page() -> Result<(), Box<dyn Error>> {
    let part = |name: &str| fs::read_to_string(Path::new(PAGE).join(name));
    // The page has no semicolon before a brace that means more than the brace.
    let style = minifier::css::minify(&part("page.css")?)?.to_string().replace(";}", "}");
    let script = minifier::js::minify(&part("page.js")?)?.to_string().replace(";}", "}");
    let frame =
        part("index.html")?.lines().flat_map(|line| [line.trim_start(), "\n"]).collect::<String>();
    let page = insert(&frame, "style", &style)?;
    let page = insert(&page, "script", &script)?;

    println!("cargo:rustc-env=TODO_PAGE_HASH={}", digest(page.as_bytes()));
    for (name, text) in [("STYLE", style), ("SCRIPT", script)] {
        let hash = STANDARD.encode(Sha256::digest(text));
        println!("cargo:rustc-env=TODO_PAGE_{name}_HASH=sha256-{hash}");
    }

    let folder = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    let folder = Path::new(&folder);
    fs::write(folder.join("page.html"), &page)?;
    // Without the time and the name of a file: the same sources make the same module.
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    gzip.write_all(page.as_bytes())?;
    fs::write(folder.join("page.html.gz"), gzip.finish()?)?;
    Ok(())
}

/// Puts `text` into the empty element `name`, of which there must be exactly one.
fn insert(page: &str, name: &str, text: &str) -> Result<String, Box<dyn Error>> {
    let end = format!("</{name}>");
    let empty = format!("></{name}>");
    if page.matches(&empty).count() != 1 {
        return Err(format!("{PAGE}/index.html needs one empty element {name}").into());
    }
    if text.contains(&end) {
        return Err(format!("{end} in the text would end the element").into());
    }
    Ok(page.replace(&empty, &format!(">{text}{end}")))
}
