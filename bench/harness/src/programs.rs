//! The servers that are measured, and how each is started.

use std::env;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;
use crate::process::{Server, output};
use crate::settings::repository;

/// Where a server keeps its todos.
#[derive(Clone, Copy, Debug)]
pub enum Store<'a> {
    /// In memory.
    Memory,
    /// In a file in this folder.
    Folder(&'a Path),
    /// In the database with this URL.
    Database(&'a str),
}

/// A version of WasmEdge.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// Its version, such as 0.17.1.
    pub version: String,
    folder: PathBuf,
}

/// How a program is started.
#[derive(Clone, Debug)]
enum Kind {
    Module(Runtime, PathBuf),
    Native(PathBuf),
    Peer(PathBuf),
}

/// A server that is measured.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name in tables.
    pub name: String,
    kind: Kind,
}

impl Runtime {
    /// The one that `scripts/tool.sh` brings under this name.
    ///
    /// # Errors
    /// It cannot be brought.
    pub fn find(tool: &str) -> Result<Self, Failure> {
        let folder = self::tool(tool)?;
        let text = output(Command::new(folder.join("wasmedge")).arg("--version"))?;
        let version = text.split_whitespace().skip_while(|word| *word != "version").nth(1);
        let version = version.ok_or_else(|| format!("{tool} does not tell its version: {text}"))?;
        Ok(Self { version: version.to_owned(), folder })
    }

    /// `module` with native code for this runtime.
    ///
    /// # Errors
    /// It does not compile.
    pub fn compiled(&self, module: &Path) -> Result<PathBuf, Failure> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.folder.clone()).chain(env::split_paths(&path));
        let mut command = Command::new(repository().join("scripts/native.sh"));
        command.arg(module).env("PATH", env::join_paths(folders)?);
        let compiled = output(&mut command)?;
        if compiled.contains(&format!("-{}-", self.version)) {
            Ok(compiled.into())
        } else {
            Err(format!("{compiled} is not for WasmEdge {}", self.version).into())
        }
    }

    /// The command that runs a module with native code in it.
    pub fn command(&self, module: &Path, settings: &[(String, String)]) -> Command {
        let mut command = Command::new(self.folder.join("wasmedge"));
        // From 0.17 on it interprets unless it is told otherwise; older ones do not know the option.
        if self.minor() >= 17 {
            command.arg("--run-mode=aot");
        }
        for (name, value) in settings {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        command.arg(module);
        command
    }

    /// The command that compiles `module` to `result`.
    pub fn compiler(&self, module: &Path, result: &Path) -> Command {
        let mut command = Command::new(self.folder.join("wasmedge"));
        command.args(["compile", "--generic-binary"]).args([module, result]);
        command
    }

    fn minor(&self) -> u32 {
        self.version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or_default()
    }
}

impl Program {
    /// `module`, with native code in it, in `runtime`.
    pub fn module(name: String, runtime: &Runtime, module: PathBuf) -> Self {
        Self { name, kind: Kind::Module(runtime.clone(), module) }
    }

    /// The server compiled for the machine itself.
    pub fn native(path: PathBuf) -> Self {
        Self { name: "native".to_owned(), kind: Kind::Native(path) }
    }

    /// Another server.
    pub fn peer(path: PathBuf) -> Self {
        Self { name: "peer".to_owned(), kind: Kind::Peer(path) }
    }

    /// It is another server, which knows only what the two have in common.
    pub fn is_peer(&self) -> bool {
        matches!(self.kind, Kind::Peer(_))
    }

    /// Starts it on a free port; its log goes to the folder `work`.
    ///
    /// # Errors
    /// See [`Server::start`].
    pub fn start(&self, store: Store<'_>, work: &Path) -> Result<Server, Failure> {
        let port = free_port()?;
        let log = work.join(format!("{port}.log"));
        let started = Server::start(self.command(port, store), port, &log);
        started.map_err(|error| format!("{}: {error}", self.name).into())
    }

    fn command(&self, port: u16, store: Store<'_>) -> Command {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut settings = vec![
            pair("HOST", "127.0.0.1"),
            pair("PORT", &port.to_string()),
            pair("MAX_CONNECTIONS", "65536"),
            pair("MAX_STORE_BYTES", "1073741824"),
            pair("IDLE_TIMEOUT_MS", "3600000"),
        ];
        let mut folder = None;
        match (&self.kind, store) {
            (_, Store::Memory) => settings.push(pair("DATABASE_URL", "memory:")),
            (_, Store::Database(url)) => settings.push(pair("DATABASE_URL", url)),
            (Kind::Module(..), Store::Folder(path)) => folder = Some(path),
            (_, Store::Folder(path)) => {
                let url = format!("redb://{}", path.join("todos.redb").display());
                settings.push(pair("DATABASE_URL", &url));
            }
        }
        let mut command = match &self.kind {
            Kind::Module(runtime, module) => {
                if let Some(folder) = folder {
                    // Options come before the module.
                    let mut command = runtime.command(Path::new("--dir"), &settings);
                    command.arg(format!("/data:{}", folder.display())).arg(module);
                    command
                } else {
                    runtime.command(module, &settings)
                }
            }
            Kind::Native(path) => Command::new(path),
            Kind::Peer(path) => {
                settings.retain(|(name, _)| name == "PORT");
                Command::new(path)
            }
        };
        // What is set for others is not for these.
        command.env_clear().envs(env::var_os("PATH").map(|path| ("PATH", path)));
        if !matches!(self.kind, Kind::Module(..)) {
            command.envs(settings);
        }
        command
    }
}

/// The folder of a tool that `scripts/tool.sh` brings.
///
/// # Errors
/// It cannot be brought.
pub fn tool(name: &str) -> Result<PathBuf, Failure> {
    output(Command::new(repository().join("scripts/tool.sh")).arg(name)).map(PathBuf::from)
}

/// The module that `make build` leaves, without native code.
pub fn plain_module() -> PathBuf {
    repository().join("target/wasm32-wasip1/release/todo.wasm")
}

/// A port that nobody listens on at present.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
