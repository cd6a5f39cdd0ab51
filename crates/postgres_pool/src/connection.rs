//! One connection: how it is made, and the statements that are prepared on it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::select;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;
use tokio_postgres::tls::TlsConnect;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, Statement};

use crate::Target;
#[cfg(feature = "tls")]
use crate::ssl::SslMode;
use crate::stream::{Resolver, Stream};
#[cfg(feature = "tls")]
use crate::tls::Tls;

/// A connection that nobody else uses.
pub struct Connection {
    client: Client,
    /// Statements by their text, of which there are few.
    prepared: RefCell<Vec<(&'static str, Statement)>>,
    in_use: Rc<Cell<usize>>,
    /// Ends the driver when it is sent or dropped.
    close: RefCell<Option<oneshot::Sender<()>>>,
}

/// Moves bytes between a connection and its socket, until either ends. Dropping it ends the connection.
pub(crate) struct Driver(JoinHandle<()>);

/// Why a connection cannot be made: one sentence.
#[derive(Debug)]
pub struct ConnectError(String);

impl Connection {
    /// Connects to the first host that can be used. A statement that takes longer than `statement_timeout` is given up
    /// by the server.
    ///
    /// # Errors
    /// What is wrong with the last host.
    pub(crate) async fn connect(
        target: &Target,
        resolver: &Resolver,
        statement_timeout: Duration,
    ) -> Result<(Self, Driver), ConnectError> {
        let mut last = ConnectError("there is no host".to_owned());
        for (host, port) in target.hosts() {
            let connecting = Self::connect_to(target, resolver, host, *port, statement_timeout);
            last = match timeout(target.connect_timeout(), connecting).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => ConnectError(format!("{host}:{port}: {error}")),
                Err(_) => ConnectError(format!("{host}:{port} does not answer in time")),
            };
        }
        Err(last)
    }

    async fn connect_to(
        target: &Target,
        resolver: &Resolver,
        host: &str,
        port: u16,
        statement_timeout: Duration,
    ) -> Result<(Self, Driver), ConnectError> {
        let stream = Stream::connect(host, port, resolver).await?;
        #[cfg(feature = "tls")]
        let (client, driver, close) = match target.ssl() {
            ssl if ssl.mode == SslMode::Disable => open(target, stream, NoTls).await?,
            ssl => open(target, stream, Tls::new(ssl)?.connector(host)).await?,
        };
        #[cfg(not(feature = "tls"))]
        let (client, driver, close) = open(target, stream, NoTls).await?;
        if target.must_be_writable() && setting(&client, "transaction_read_only").await? != "off" {
            return Err(ConnectError("it takes no changes at present".to_owned()));
        }
        let milliseconds = statement_timeout.as_millis();
        client.batch_execute(&format!("SET statement_timeout = {milliseconds}")).await?;
        let connection = Self {
            client,
            prepared: RefCell::default(),
            in_use: Rc::default(),
            close: RefCell::new(Some(close)),
        };
        Ok((connection, driver))
    }

    /// The statement, prepared when it is used for the first time. `types` are those of its parameters.
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn prepare(
        &self,
        text: &'static str,
        types: &[Type],
    ) -> Result<Statement, tokio_postgres::Error> {
        let is_this = |known: &str| std::ptr::eq(known, text);
        let known = self.prepared.borrow().iter().find(|(known, _)| is_this(known)).cloned();
        if let Some((_, statement)) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare_typed(text, types).await?;
        self.prepared.borrow_mut().push((text, statement.clone()));
        Ok(statement)
    }

    /// Prepares the statement anew when it is used the next time.
    pub(crate) fn forget(&self, text: &'static str) {
        self.prepared.borrow_mut().retain(|(known, _)| !std::ptr::eq(*known, text));
    }

    /// How many use it at present.
    pub(crate) fn in_use(&self) -> usize {
        self.in_use.get()
    }

    /// Counts a use, until what this gives is dropped.
    pub(crate) fn enter(&self) -> Use {
        self.in_use.set(self.in_use.get() + 1);
        Use(self.in_use.clone())
    }

    /// Ends it at once. Statements under way fail.
    pub(crate) fn close(&self) {
        self.close.take();
    }
}

impl Deref for Connection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// Introduces itself to the server, and begins to move bytes.
async fn open<T>(
    target: &Target,
    stream: Stream,
    tls: T,
) -> Result<(Client, Driver, oneshot::Sender<()>), ConnectError>
where
    T: TlsConnect<Stream>,
    T::Stream: Unpin + 'static,
{
    let (client, connection) = target.config().connect_raw(stream, tls).await?;
    let (close, closed) = oneshot::channel();
    let driver = Driver(spawn_local(async move {
        // Whoever uses the connection meets its error.
        select(Box::pin(connection), closed).await;
    }));
    Ok((client, driver, close))
}

/// The value of a setting of the server.
///
/// # Errors
/// Those of the server.
pub async fn setting(client: &Client, name: &str) -> Result<String, tokio_postgres::Error> {
    let rows = client.simple_query(&format!("SHOW {name}")).await?;
    let value = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(value.unwrap_or_default().to_owned())
}

/// One use of a connection.
pub(crate) struct Use(Rc<Cell<usize>>);

impl Drop for Use {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// Ready when the connection has ended.
impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context).map(drop)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for ConnectError {}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<tokio_postgres::Error> for ConnectError {
    fn from(error: tokio_postgres::Error) -> Self {
        // The source is more precise, and neither has the password in it.
        Self(match (error.as_db_error(), std::error::Error::source(&error)) {
            (Some(error), _) => error.message().to_owned(),
            (None, Some(source)) => source.to_string(),
            (None, None) => error.to_string(),
        })
    }
}
