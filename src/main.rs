//! Reads the command line and the settings, opens the store and the socket, and serves.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use http_server::{self as server, Activity, Limits, Tasks};
use telemetry::log::{self, Format};
use telemetry::metrics::Metrics;
use todo::access_log::AccessLog;
use todo::cli::{self, Command, EX_CONFIG, EX_IOERR, EX_SOFTWARE, EX_UNAVAILABLE, EX_USAGE};
use todo::config::{Config, DatabaseUrl, Secret};
use todo::http::{Access, App, Cors, RequestLimits, Rules, TrustedProxies};
use todo::process::Process;
use todo_store::{AnyStore, Measured, Place, Store as _};
use tokio::sync::oneshot;

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
    if command == Command::Check {
        return match AnyStore::check(place(&config)) {
            Ok(found) => succeed(format!("todo: {}", found.replace('\n', "\ntodo: "))),
            Err(error) => fail(EX_IOERR, error),
        };
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(EX_SOFTWARE, error),
    };
    runtime.block_on(run(config))
}

async fn run(config: Config) -> ExitCode {
    let format = if config.json_log { Format::Json } else { Format::Text };
    log::set_format(format);
    let store = match AnyStore::open(place(&config), config.max_store_bytes, config.seed_todos) {
        Ok((store, description)) => {
            log::info(format_args!("todo: {description}"));
            Arc::new(store)
        }
        Err(error) => return fail(EX_IOERR, error),
    };
    let (listener, address) = match server::listen(config.host, config.port) {
        Ok(listening) => listening,
        Err(error) => return fail(EX_UNAVAILABLE, cannot_listen(&config, &error)),
    };
    let tasks = Tasks::default();
    let access_log = Arc::new(AccessLog::new(config.access_log.then_some(format)));
    let measured = Arc::new(Measured::new(store.clone()));
    let activity = Arc::new(Activity::default());
    let mut metrics = Metrics::default();
    metrics.add(Arc::new(Process::new(store.kind())));
    metrics.add(activity.clone());
    metrics.add(measured.clone());
    metrics.add(store.clone());
    let request_limits = RequestLimits {
        max_head_bytes: config.max_head_bytes,
        max_body_bytes: config.max_body_bytes,
        body_timeout: config.body_timeout,
    };
    let app = App::new(
        measured,
        access_log.clone(),
        tasks.clone(),
        metrics,
        request_limits,
        rules(&config),
    );
    let app = Arc::new(app);
    let limits = Limits {
        max_connections: config.max_connections,
        max_head_bytes: config.max_head_bytes,
        // A chunk of one byte has five bytes around it; the rest is for its extensions and the trailers.
        max_body_wire_bytes: config.max_body_bytes.saturating_mul(8).saturating_add(65_536),
        head_timeout: config.head_timeout,
        idle_timeout: config.idle_timeout,
        write_timeout: config.write_timeout,
    };
    tasks.spawn(async move { access_log.run().await });
    let version = env!("CARGO_PKG_VERSION");
    log::info(format_args!("todo {version} listens on http://{address}"));
    let server_tasks = tasks.clone();
    tasks.spawn(server::serve(listener, app, limits, activity, server_tasks));
    // As a task of its own the store wakes nobody but itself: see `Waker` in crates/mio_wasi.
    let (end, ended) = oneshot::channel();
    tasks.spawn(async move {
        let _ = end.send(store.run().await);
    });
    match ended.await {
        Ok(ousted) => fail(EX_IOERR, ousted),
        Err(error) => fail(EX_SOFTWARE, error),
    }
}

fn rules(config: &Config) -> Rules {
    let token = config.api_token.clone().map(|Secret(token)| token);
    let cors = Cors::new(config.cors_origins.clone(), token.is_some());
    Rules {
        access: Access::new(token, config.metrics_need_token),
        cors,
        proxies: TrustedProxies::new(config.trusted_proxies.clone()),
    }
}

fn place(config: &Config) -> Option<Place> {
    config.database.clone().map(|database| match database {
        DatabaseUrl::Memory => Place::Memory,
        DatabaseUrl::Redb(file) => Place::Redb(file),
    })
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
