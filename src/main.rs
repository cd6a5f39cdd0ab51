//! Reads the command line and the settings, opens the store and the socket, and serves.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use http_server::{Limits, ServerMetrics, Tasks};
use telemetry::log::{self, Format};
use telemetry::metrics::Metrics;
use telemetry::output::LogMetrics;
use todo::access_log::AccessLog;
use todo::cli::{self, Command, EX_CONFIG, EX_IOERR, EX_SOFTWARE, EX_UNAVAILABLE, EX_USAGE};
use todo::config::Config;
use todo::http::App;
use todo::process::ProcessMetrics;
use todo::transfer;
use todo_store::{AnyStore, Location, Store as _, StoreOptions};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

fn main() -> ExitCode {
    let command = match Command::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => return succeed(cli::help()),
        Ok(Command::Version) => return succeed(cli::version()),
        Ok(command) => command,
        Err(error) => return fail(EX_USAGE, error),
    };
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => return fail(EX_CONFIG, error),
    };
    let location = config.database.clone().unwrap_or_else(Location::of_this_machine);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(EX_SOFTWARE, error),
    };
    // Boxed, so that tokio's loop is in the module once and not once for each.
    let work: LocalBoxFuture<'_, ExitCode> = match command {
        Command::Backup(file) => Box::pin(back_up(location, file)),
        Command::Check => Box::pin(check(location)),
        Command::Export | Command::Import => Box::pin(move_todos(command, config, location)),
        _ => Box::pin(serve(config, location)),
    };
    LocalSet::new().block_on(&runtime, work)
}

/// Finds out whether a start would find a store that it can use.
async fn check(location: Location) -> ExitCode {
    match AnyStore::check(&location).await {
        Ok(found) => succeed(format!("todo: {}", found.replace('\n', "\ntodo: "))),
        Err(error) => fail(EX_IOERR, error),
    }
}

/// Puts a copy of the store's file into `file`.
async fn back_up(location: Location, file: PathBuf) -> ExitCode {
    match AnyStore::back_up(&location, &file).await {
        Ok(count) => succeed(format!("todo: a backup of {count} todos is in {}", file.display())),
        Err(error) => fail(EX_IOERR, format_args!("cannot make a backup: {error}")),
    }
}

/// Writes all todos to standard output, or puts those from standard input into the store.
async fn move_todos(command: Command, config: Config, location: Location) -> ExitCode {
    let options = StoreOptions { max_bytes: config.max_store_bytes, samples: false };
    let store = match AnyStore::open(&location, options).await {
        Ok(store) => Rc::new(store),
        Err(error) => return fail(EX_IOERR, error),
    };
    let running = store.clone();
    tokio::task::spawn_local(async move { running.run().await });
    let moved = match command {
        Command::Export => transfer::export(&store, io::stdout().lock()).await,
        _ => transfer::import(&store, io::stdin().lock()).await,
    };
    match moved {
        Ok(count) => {
            // Standard output has the todos.
            let _ = writeln!(io::stderr(), "todo: {count} todos moved");
            ExitCode::SUCCESS
        }
        Err(error) => fail(EX_IOERR, format_args!("cannot move todos: {error}")),
    }
}

/// Serves for as long as it can.
async fn serve(config: Config, location: Location) -> ExitCode {
    let format = if config.json_log { Format::Json } else { Format::Text };
    log::set_format(format);
    let options = StoreOptions { max_bytes: config.max_store_bytes, samples: config.seed_todos };
    let store = match AnyStore::open(&location, options).await {
        Ok(store) => Rc::new(store),
        Err(error) => return fail(EX_IOERR, error),
    };
    log::info(format_args!("todo: {location}, {}", reason(&config, &location)));
    let (listener, address) = match http_server::listen(config.host, config.port) {
        Ok(listening) => listening,
        Err(error) => return fail(EX_UNAVAILABLE, cannot_listen(&config, &error)),
    };
    let tasks = Tasks::default();
    let access_log = Rc::new(AccessLog::new(config.access_log.then_some(format)));
    let server_metrics = Arc::new(ServerMetrics::default());
    let mut metrics = Metrics::default();
    metrics.add(Arc::new(ProcessMetrics::new(store.kind())));
    metrics.add(Arc::new(LogMetrics));
    metrics.add(server_metrics.clone());
    let app = App::new(
        store.clone(),
        access_log.clone(),
        tasks.clone(),
        metrics,
        config.request_limits(),
        config.rules(),
    );
    // A tenth of the connections is left when it is time to look for another server.
    let nearly_all = config.max_connections - config.max_connections / 10;
    let app = app.watching(server_metrics.clone(), nearly_all);
    tasks.spawn(async move { access_log.run().await });
    let version = env!("CARGO_PKG_VERSION");
    log::info(format_args!("todo {version} listens on http://{address}"));
    let server_tasks = tasks.clone();
    tasks.spawn(http_server::serve(
        listener,
        Rc::new(app),
        limits(&config),
        server_metrics,
        server_tasks,
    ));
    // As a task of its own the store wakes nobody but itself: see `Waker` in crates/mio_wasi.
    let (end, ended) = oneshot::channel();
    tasks.spawn(async move {
        let _ = end.send(store.run().await);
    });
    match ended.await {
        Ok(lost) => fail(EX_IOERR, lost),
        Err(error) => fail(EX_SOFTWARE, error),
    }
}

fn reason(config: &Config, location: &Location) -> &'static str {
    match (&config.database, location) {
        (Some(_), _) => "as DATABASE_URL says",
        (None, Location::Memory) => "as there is no folder /data and DATABASE_URL is not set",
        (None, _) => "as there is a folder /data and DATABASE_URL is not set",
    }
}

fn limits(config: &Config) -> Limits {
    Limits {
        max_connections: config.max_connections,
        max_connections_per_client: config.max_connections_per_client,
        max_head_bytes: config.max_head_bytes,
        // A chunk of one byte has five bytes around it; the rest is for its extensions and the trailers.
        max_body_wire_bytes: config.max_body_bytes.saturating_mul(8).saturating_add(65_536),
        head_timeout: config.head_timeout,
        idle_timeout: config.idle_timeout,
        write_timeout: config.write_timeout,
    }
}

fn cannot_listen(config: &Config, error: &io::Error) -> String {
    let (host, port) = (config.host, config.port);
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {port} is taken: stop what uses it, or set PORT to another one")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("HOST={host} is not an address of this machine")
        }
        _ => format!("cannot listen on {host} port {port}: {error}"),
    }
}

fn succeed(text: String) -> ExitCode {
    // Not `println!`: it panics when nobody reads.
    let _ = writeln!(io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn fail(code: u8, error: impl Display) -> ExitCode {
    log::error(error);
    ExitCode::from(code)
}
