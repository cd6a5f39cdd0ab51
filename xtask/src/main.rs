//! Checks of this repository that are more than a few lines of a script: see [`USAGE`].

mod database_url;
mod deployment;
#[cfg(test)]
mod examples;
mod manifests;
mod pod_security;
mod references;

use std::io::{self, Read};
use std::process::ExitCode;
use std::{env, error};

const USAGE: &str = "\
usage: xtask manifests <MANIFESTS
         Holds the resources of one deployment, as `kustomize build` prints them, against the restricted level of the
         Pod Security Standards and against one another. Prints a line for each problem, and fails if there are any.";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["manifests"] => check_manifests(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(64);
        }
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check_manifests() -> Result<ExitCode, Box<dyn error::Error>> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let problems = manifests::problems(&manifests::parse(&text)?);
    for problem in &problems {
        println!("ERROR - {problem}");
    }
    if !problems.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    println!(
        "INFO - at the restricted level of the Pod Security Standards; what is named is there"
    );
    Ok(ExitCode::SUCCESS)
}
