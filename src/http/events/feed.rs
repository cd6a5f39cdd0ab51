//! One task follows the store for all readers: an event is made once, however many read it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use telemetry::metrics::{Counter, Encoder, Gauge, Guard, Source};
use todo_store::{Change, Epoch, Mark, Position, Store as _};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout_at};

use super::super::App;
use super::super::error::ApiError;
use super::format;
use super::ring::{Place, Ring};

/// The longest time without a byte: what is between server and client may close what is silent for longer.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How much is read from the store at one time, in bytes as stores count them.
const PORTION_BYTES: usize = 64 * 1024;

/// The pause after the store has failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What an event takes beside its bytes.
const EVENT_FRAME: usize = 100;

/// What the readers share.
pub struct Feed {
    ring: RefCell<Ring>,
    /// Where the client of a new reader would go on. `None` while nobody follows the store.
    mark: Cell<Option<Mark>>,
    arrivals: Notify,
    /// Of those who come back, one asks the store at a time.
    turns: Semaphore,
    max_readers: usize,
    metrics: Arc<EventMetrics>,
}

/// What is counted about events.
#[derive(Default)]
pub struct EventMetrics {
    readers: Gauge,
    events: Counter,
    dropped: Counter,
}

impl Feed {
    /// A feed for so many readers at one time.
    pub fn new(max_readers: usize) -> Self {
        Self {
            ring: RefCell::default(),
            mark: Cell::new(None),
            arrivals: Notify::new(),
            turns: Semaphore::new(1),
            max_readers,
            metrics: Arc::default(),
        }
    }

    /// Its numbers.
    pub fn metrics(&self) -> Arc<EventMetrics> {
        self.metrics.clone()
    }

    /// Lets another reader in until what this gives is dropped, if there is room.
    pub fn admit(&self) -> Option<Guard> {
        let readers = usize::try_from(self.metrics.readers.get()).unwrap_or(usize::MAX);
        (readers < self.max_readers).then(|| self.metrics.readers.enter())
    }

    /// Where to go on behind the events that are in the ring.
    pub fn mark(&self) -> Option<Mark> {
        self.mark.get()
    }

    /// The place of the next event.
    pub fn end(&self) -> u64 {
        self.ring.borrow().end()
    }

    /// What is at a place.
    pub fn at(&self, place: u64) -> Place {
        self.ring.borrow().at(place)
    }

    /// Ends when there is something new, from the moment of this call on.
    pub fn arrival(&self) -> Notified<'_> {
        self.arrivals.notified()
    }

    /// A turn to ask the store for what was missed.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    /// A reader was too slow.
    pub fn drops_reader(&self) {
        self.metrics.dropped.count();
    }

    /// Nobody reads any more, so nobody follows the store.
    fn is_over(&self) -> bool {
        let is_over = self.metrics.readers.get() == 0;
        if is_over {
            self.mark.set(None);
            self.ring.borrow_mut().lose();
        }
        is_over
    }
}

/// Begins to follow the store, unless that is done already. Whatever is changed from now on becomes an event.
///
/// Gives the store's epoch.
///
/// # Errors
/// Those of the store.
pub async fn start(app: &Rc<App>) -> Result<Epoch, ApiError> {
    let epoch = app.store.epoch().await?;
    if app.feed.mark().is_some() {
        return Ok(epoch);
    }
    let position = app.store.position().await?;
    // Somebody else may have been faster.
    if app.feed.mark().is_none() {
        app.feed.mark.set(Some(position.mark()));
        let following = app.clone();
        app.tasks.spawn(async move { follow(&following, epoch, position).await });
    }
    Ok(epoch)
}

async fn follow(app: &App, epoch: Epoch, mut position: Position) {
    let feed = &app.feed;
    let mut heartbeat = Instant::now() + HEARTBEAT;
    while !feed.is_over() {
        let end = feed.end();
        let _ = timeout_at(heartbeat, app.store.changed(&position)).await;
        match app.store.changes(&position, PORTION_BYTES).await {
            Ok(Some(found)) => {
                position = found.position;
                found.changes.iter().for_each(|change| publish(app, epoch, change));
            }
            // Nobody can tell what the readers miss.
            Ok(None) => match app.store.position().await {
                Ok(now) => {
                    push(app, format::reset(Some(now.mark())));
                    position = now;
                }
                Err(_) => sleep(PAUSE).await,
            },
            Err(_) => sleep(PAUSE).await,
        }
        feed.mark.set(Some(position.mark()));
        if feed.end() == end && Instant::now() >= heartbeat {
            push(app, Bytes::from_static(format::HEARTBEAT));
        }
        if feed.end() != end {
            heartbeat = Instant::now() + HEARTBEAT;
            feed.arrivals.notify_waiters();
            // The readers take what there is before there is more.
            yield_now().await;
        }
    }
}

/// Makes an event of a change.
fn publish(app: &App, epoch: Epoch, change: &Change) {
    app.feed.metrics.events.count();
    match format::change(epoch, change) {
        Ok(event) => push(app, event),
        Err(_) => app.feed.ring.borrow_mut().lose(),
    }
}

fn push(app: &App, event: Bytes) {
    let memory = app.reserve(event.len() + EVENT_FRAME);
    let mut ring = app.feed.ring.borrow_mut();
    match memory {
        Ok(memory) => ring.push(event, memory),
        Err(_) => ring.lose(),
    }
}

impl Source for EventMetrics {
    fn encode(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
        let help = "Clients that read events.";
        encoder.gauges("event_readers", help, [([], self.readers.get())])?;
        let help = "Events that were made of changes, however many clients read them.";
        encoder.counters("events_total", help, [([], &self.events)])?;
        let help = "Clients that read events too slowly, so that they had to begin anew.";
        encoder.counters("event_readers_dropped_total", help, [([], &self.dropped)])
    }
}
