//! The server without WebAssembly: the same handlers and stores, compiled for the machine itself. What the module is
//! measured beside.
//!
//! Connections are hyper's own, on a plain socket of tokio: without the limits and deadlines of `http_server`, and without
//! what it does for the sake of WasmEdge. One thread, the same settings, the same access log.

use std::convert::Infallible;
use std::error::Error;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http_server::{Service as _, Tasks};
use hyper::server::conn::Http;
use hyper::service::service_fn;
use telemetry::log::{self, Format};
use telemetry::metrics::Metrics;
use telemetry::output::LogMetrics;
use todo::access_log::AccessLog;
use todo::config::Config;
use todo::http::App;
use todo::process::ProcessMetrics;
use todo_store::{AnyStore, Location, Store as _, StoreOptions};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::from_env()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(config))
}

async fn serve(config: Config) -> Result<(), Box<dyn Error>> {
    let format = if config.json_log { Format::Json } else { Format::Text };
    log::set_format(format);
    let location = config.database.clone().unwrap_or(Location::Memory);
    let options = StoreOptions { max_bytes: config.max_store_bytes, samples: config.seed_todos };
    let store = Rc::new(AnyStore::open(&location, options).await?);
    let access_log = Rc::new(AccessLog::new(config.access_log.then_some(format)));
    let mut metrics = Metrics::default();
    metrics.add(Arc::new(ProcessMetrics::new(store.kind())));
    metrics.add(Arc::new(LogMetrics));
    let app = Rc::new(App::new(
        store.clone(),
        access_log.clone(),
        Tasks::default(),
        metrics,
        config.request_limits(),
        config.rules(),
    ));
    spawn_local(async move { access_log.run().await });
    let listener = TcpListener::bind((config.host, config.port)).await?;
    log::info(format_args!("native listens on http://{}", listener.local_addr()?));
    spawn_local(async move {
        loop {
            match listener.accept().await {
                Ok((stream, client)) => {
                    let client = Some(client.ip().to_canonical());
                    drop(spawn_local(connection(app.clone(), stream, client)));
                }
                Err(error) => {
                    log::error(format_args!("cannot accept connections now: {error}"));
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    });
    Err(store.run().await.to_string().into())
}

async fn connection(app: Rc<App>, stream: TcpStream, client: http_server::Client) {
    // Responses that come in pieces would wait for acknowledgements.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let response = app.clone().call(request, client);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let http =
        Http::new().with_executor(LocalExecutor).http1_only(true).serve_connection(stream, service);
    // An error is the end of a connection; the next one has nothing to do with it.
    let _ = http.await;
}

/// Lets hyper serve what is not `Send`. It starts no task of its own for HTTP/1.
#[derive(Clone)]
struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        drop(spawn_local(future));
    }
}
