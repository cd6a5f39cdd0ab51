//! A few connections to a database that speaks PostgreSQL's protocol, kept open and shared by everybody.
//!
//! | file | concern |
//! |---|---|
//! | `lib.rs` | the pool: who gets a connection, time limits, trying again |
//! | `outcome.rs` | what an error of the server means for the statement |
//! | `connection.rs` | one connection and its prepared statements |
//! | `target.rs` | which database: the connection URI |
//! | `stream.rs` | the socket, and the look-up of names |
//! | `ssl.rs`, `tls.rs` | what is asked of TLS, and TLS |
//!
//! A statement is a transaction of its own, so statements of several requests share a connection: each is sent without
//! waiting for the response to the one before (pipelining). [`Pool::run`] keeps the connections open, and makes them again
//! after a pause that grows. While there is none, statements fail at once.

mod connection;
mod outcome;
mod ssl;
mod stream;
mod target;
#[cfg(feature = "tls")]
mod tls;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use telemetry::log;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use connection::Driver;
use outcome::Outcome;
use stream::Resolver;

pub use connection::{ConnectError, Connection, setting};
pub use target::{InvalidUri, Target};
pub use tokio_postgres::error::SqlState;
pub use tokio_postgres::types;
pub use tokio_postgres::{Error as ClientError, Row as DatabaseRow};

/// Statements under way on one connection. The server takes one after the other, but has the next ones at hand.
const PIPELINED: usize = 32;

/// As how many a statement counts whose result may be long, as that is in memory.
const LONG: u32 = 8;

/// Statements that wait for their turn. A further one fails at once.
const MAX_WAITING: usize = 1_024;

/// How often a statement is tried that failed through no fault of its own.
const MAX_TRIES: u32 = 10;

/// The pause before a connection is made again, at first and at most.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// The server gives a statement up a little earlier than the client, so that the client learns what became of it.
const SERVER_SHARE: f64 = 0.8;

/// What a pool may use.
#[derive(Clone, Copy, Debug)]
pub struct PoolOptions {
    /// Connections that are kept open.
    pub connections: usize,
    /// How long one statement may take, with waiting and trying again.
    pub timeout: Duration,
}

/// A statement with the types of its parameters.
#[derive(Debug)]
pub struct Sql {
    /// Its text.
    pub text: &'static str,
    /// The types of `$1`, `$2` and so on.
    pub types: &'static [Type],
    /// What it does.
    pub effect: Effect,
    /// Its result may have many rows.
    pub is_long: bool,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It reads: making it twice is like making it once.
    Read,
    /// It changes something.
    Write,
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The database cannot be reached, or did not answer in time. Nothing is changed.
    Unreachable,
    /// Too many statements wait. Nothing is changed.
    Busy,
    /// The connection was lost before the server told whether the change is made.
    Undecided,
    /// The server refuses the statement, with this code (PostgreSQL's documentation, appendix A) and message. Nothing is
    /// changed.
    Refused(SqlState, String),
}

/// Connections to one database.
pub struct Pool {
    target: Target,
    resolver: Resolver,
    options: PoolOptions,
    connections: RefCell<Vec<Rc<Connection>>>,
    permits: Semaphore,
    waiting: Cell<usize>,
    /// There is no connection, and the last attempt to make one failed.
    is_down: Cell<bool>,
    /// The operator was told that the database cannot be reached.
    reported: Cell<bool>,
    /// Sends whenever a connection was made, or could not be made.
    attempts: watch::Sender<u64>,
}

impl Pool {
    /// A pool without connections: [`run`](Self::run) makes them.
    pub fn new(target: Target, options: PoolOptions) -> Self {
        Self {
            target,
            resolver: Resolver::default(),
            options,
            connections: RefCell::default(),
            permits: Semaphore::new(options.connections.saturating_mul(PIPELINED)),
            waiting: Cell::new(0),
            is_down: Cell::new(false),
            reported: Cell::new(false),
            attempts: watch::channel(0).0,
        }
    }

    /// The database.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// A connection beside those of the pool. What is wrong the operator is told as for those.
    ///
    /// # Errors
    /// [`ConnectError`] says what is wrong.
    pub async fn connect(&self) -> Result<Exclusive, ConnectError> {
        let connected = Exclusive::connect_with(&self.target, &self.resolver).await;
        match &connected {
            Ok(_) => self.is_reached(),
            Err(error) => self.is_not_reached(error),
        }
        connected
    }

    /// Keeps the connections open. Never ends.
    pub async fn run(&self) {
        join_all((0..self.options.connections).map(|_| self.keep_one_open())).await;
    }

    async fn keep_one_open(&self) {
        let mut pause = MIN_PAUSE;
        loop {
            let began = Instant::now();
            let patience = self.options.timeout.mul_f64(SERVER_SHARE);
            match Connection::connect(&self.target, &self.resolver, patience).await {
                Ok((connection, driver)) => {
                    let connection = Rc::new(connection);
                    self.connections.borrow_mut().push(connection.clone());
                    self.is_reached();
                    driver.await;
                    self.connections.borrow_mut().retain(|other| !Rc::ptr_eq(other, &connection));
                }
                Err(error) => self.is_not_reached(&error),
            }
            if began.elapsed() > MAX_PAUSE {
                // It was well for a while: the first attempt is made at once.
                pause = MIN_PAUSE;
                continue;
            }
            sleep(with_jitter(pause)).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    fn is_reached(&self) {
        self.is_down.set(false);
        if self.reported.take() {
            log::info(format_args!("todo: the {} can be reached again", self.target));
        }
        self.attempts.send_modify(|count| *count += 1);
    }

    fn is_not_reached(&self, error: &ConnectError) {
        if self.connections.borrow().is_empty() {
            self.is_down.set(true);
            if !self.reported.replace(true) {
                log::error(format_args!("the {} cannot be reached: {error}", self.target));
            }
        }
        self.attempts.send_modify(|count| *count += 1);
    }

    /// Executes a statement, and gives the rows that it returns.
    ///
    /// A statement that the server gave up because of others at the same time is tried again, and so is one that reads when
    /// its connection is lost.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn query(
        &self,
        sql: &Sql,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        // Where the statement is, once it may have reached the server.
        let sent = RefCell::new(None);
        if let Ok(result) =
            timeout(self.options.timeout, self.try_query(sql, parameters, &sent)).await
        {
            return result;
        }
        match sent.take() {
            // What comes next on this connection would wait as well.
            Some(connection) => {
                connection.close();
                Err(lost(sql.effect))
            }
            None => Err(Error::Unreachable),
        }
    }

    async fn try_query(
        &self,
        sql: &Sql,
        parameters: &[&(dyn ToSql + Sync)],
        sent: &RefCell<Option<Rc<Connection>>>,
    ) -> Result<Vec<Row>, Error> {
        let _permit = self.permit(if sql.is_long { LONG } else { 1 }).await?;
        for tries in 1.. {
            let connection = self.connection().await?;
            let _in_use = connection.enter();
            let error = match connection.prepare(sql.text, sql.types).await {
                Ok(statement) => {
                    sent.replace(Some(connection.clone()));
                    match connection.query(&statement, parameters).await {
                        Ok(rows) => return Ok(rows),
                        Err(error) => Outcome::of(&error, sql.effect),
                    }
                }
                // Nothing is changed by that.
                Err(error) => Outcome::of(&error, Effect::Read),
            };
            sent.replace(None);
            match error {
                Outcome::Failed(error) => return Err(error),
                Outcome::TryAgain(error) if tries == MAX_TRIES => return Err(error),
                Outcome::TryAgain(_) => {}
                Outcome::PrepareAgain => connection.forget(sql.text),
                Outcome::Reconnect => connection.close(),
            }
            if tries >= MAX_TRIES {
                return Err(Error::Unreachable);
            }
            if tries > 1 {
                sleep(with_jitter(Duration::from_millis(1 << tries.min(7)))).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
        Err(Error::Unreachable)
    }

    async fn permit(&self, count: u32) -> Result<tokio::sync::SemaphorePermit<'_>, Error> {
        if let Ok(permit) = self.permits.try_acquire_many(count) {
            return Ok(permit);
        }
        if self.waiting.get() >= MAX_WAITING {
            return Err(Error::Busy);
        }
        let _waiting = Waiting::enter(&self.waiting);
        self.permits.acquire_many(count).await.map_err(|_| Error::Unreachable)
    }

    /// The connection with the fewest statements under way. While one is made again, waits for what that comes to.
    async fn connection(&self) -> Result<Rc<Connection>, Error> {
        let mut attempts = self.attempts.subscribe();
        loop {
            {
                let connections = self.connections.borrow();
                let usable = connections.iter().filter(|connection| !connection.is_closed());
                if let Some(connection) = usable.min_by_key(|connection| connection.in_use()) {
                    return Ok(connection.clone());
                }
            }
            if self.is_down.get() || attempts.changed().await.is_err() {
                return Err(Error::Unreachable);
            }
        }
    }
}

/// What has become of a statement whose connection is lost.
fn lost(effect: Effect) -> Error {
    match effect {
        Effect::Read => Error::Unreachable,
        Effect::Write => Error::Undecided,
    }
}

/// A connection of one's own, for transactions. Dropping it ends it.
pub struct Exclusive {
    connection: Connection,
    _driver: Driver,
}

impl Exclusive {
    /// Connects.
    ///
    /// # Errors
    /// [`ConnectError`] says what is wrong.
    pub async fn connect(target: &Target) -> Result<Self, ConnectError> {
        Self::connect_with(target, &Resolver::default()).await
    }

    async fn connect_with(target: &Target, resolver: &Resolver) -> Result<Self, ConnectError> {
        // What it is for may take long, such as making an index.
        let (connection, driver) = Connection::connect(target, resolver, Duration::ZERO).await?;
        Ok(Self { connection, _driver: driver })
    }
}

impl std::ops::Deref for Exclusive {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.connection
    }
}

struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn enter(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// Half of it to all of it, so that many do not try again at the same time.
pub fn with_jitter(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1_024;
    pause / 2 + pause / 2 * u32::try_from(random).unwrap_or(0) / 1_024
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => formatter.write_str("the database cannot be reached"),
            Self::Busy => formatter.write_str("too many statements wait for the database"),
            Self::Undecided => formatter.write_str("the connection was lost before the answer"),
            Self::Refused(state, message) => write!(formatter, "{message} ({})", state.code()),
        }
    }
}

impl std::error::Error for Error {}
