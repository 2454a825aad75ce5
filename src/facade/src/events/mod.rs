//! `/events`: changes as they happen, as server-sent events (WHATWG HTML, 9.2).
//!
//! The feeder reads each change of the store once and puts it into a ring that all readers share; a reader has nothing
//! but his place in it. Who is too slow for the ring goes on from the change log, and who is too slow for that is told
//! to read anew. So a slow reader costs no memory, and a change costs one rendering for however many readers.

mod ask;
mod catch_up;
mod event;
mod feeder;
mod kinds;
mod mark;
mod reader;
mod ring;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use futures_util::stream;
use mf2c_domain::people::throttle::network;
use mf2c_domain::time::Clock;
use mf2c_store::Store;
use tokio::sync::{Notify, Semaphore, watch};

use crate::caller::{caller_of, explained, still_allowed};
use crate::cimi::Api;
use crate::error::ApiError;
use crate::front::Peer;
use crate::proxy;
use ask::{Ask, AskError};
use mark::Mark;
use reader::Reader;
use ring::Ring;

/// Bounds and times of the stream.
#[derive(Debug, Clone)]
pub struct EventSettings {
    /// The longest silence of a stream; then a comment is sent.
    pub heartbeat: Duration,
    /// The most readers at a time.
    pub readers: usize,
    /// The most readers from one address, or one IPv6 network, at a time.
    pub readers_per_source: usize,
}

/// What the stream has done since the start, for those who watch over the agent.
#[derive(Debug, Default)]
pub struct EventCounters {
    /// Readers at this moment.
    pub readers: AtomicUsize,
    /// Changes sent, counted for each reader.
    pub sent: AtomicU64,
    /// Readers told to read anew, because the log no longer had their place.
    pub resets: AtomicU64,
}

/// What all readers of one agent share.
pub struct Events {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    settings: EventSettings,
    counters: EventCounters,
    /// How many readers there are from where.
    sources: Mutex<HashMap<IpAddr, usize>>,
    ring: RwLock<Ring>,
    /// Wakes all readers: something is new, or it is time for a sign of life.
    wake: watch::Sender<()>,
    /// Wakes the feeder: there is a reader, or the end.
    called: Notify,
    closed: AtomicBool,
    /// Memory for readers who are behind the ring, in units of [`catch_up::UNIT`].
    catch_up: Arc<Semaphore>,
    /// Turns at reading the log for them.
    turns: Semaphore,
}

impl Events {
    /// Begins to follow the store. To be called within an actix system, which runs the feeder.
    #[must_use]
    pub fn start(store: Arc<Store>, clock: Arc<dyn Clock>, settings: EventSettings) -> Arc<Self> {
        let next = store.counters().position.load(Ordering::Acquire) + 1;
        let events = Arc::new(Self {
            store,
            clock,
            settings,
            counters: EventCounters::default(),
            sources: Mutex::default(),
            ring: RwLock::new(Ring::starting_at(next)),
            wake: watch::Sender::new(()),
            called: Notify::new(),
            closed: AtomicBool::new(false),
            catch_up: Arc::new(Semaphore::new(catch_up::UNITS)),
            turns: Semaphore::new(catch_up::TURNS),
        });
        actix::spawn(feeder::feed(Arc::clone(&events)));
        events
    }

    /// What it has done.
    #[must_use]
    pub fn counters(&self) -> &EventCounters {
        &self.counters
    }

    /// Ends all streams and takes no more readers, so that the server can stop.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.called.notify_one();
        self.wake_readers();
    }

    fn wake_readers(&self) {
        self.wake.send_replace(());
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn look(&self, position: u64) -> ring::Look {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).look(position)
    }

    /// The present position, as an event's id.
    fn now(&self) -> Mark {
        let position = self.store.counters().position.load(Ordering::Acquire);
        Mark { incarnation: self.store.identity().incarnation, position }
    }

    /// A place for one more reader from there, unless there are too many.
    fn place(self: &Arc<Self>, source: IpAddr) -> Result<Place, TooMany> {
        let source = network(source);
        let (most, most_here) = (self.settings.readers, self.settings.readers_per_source);
        {
            let mut sources = self.sources();
            let here = sources.get(&source).copied().unwrap_or(0);
            if here >= most_here {
                return Err(TooMany { most: most_here, of: " from your address" });
            }
            let readers = &self.counters.readers;
            let taken =
                readers.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| (now < most).then_some(now + 1));
            taken.map_err(|_| TooMany { most, of: "" })?;
            sources.insert(source, here + 1);
        }
        self.called.notify_one();
        Ok(Place(Arc::clone(self), source))
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// There are as many readers as there may be.
#[derive(Debug)]
struct TooMany {
    most: usize,
    of: &'static str,
}

/// One reader's place; given back when dropped.
struct Place(Arc<Events>, IpAddr);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.counters.readers.fetch_sub(1, Ordering::AcqRel);
        if let Entry::Occupied(mut here) = self.0.sources().entry(self.1) {
            *here.get_mut() -= 1;
            if *here.get() == 0 {
                here.remove();
            }
        }
    }
}

/// Adds the stream to an application.
pub fn configure(config: &mut ServiceConfig, events: &Data<Events>) {
    let resource = web::resource("/events").get(follow).head(head).default_service(web::to(refuse));
    config.app_data(Data::clone(events)).service(resource);
}

async fn follow(request: HttpRequest, api: Data<Api>, events: Data<Events>) -> HttpResponse {
    match admitted(&request, &api, &events.into_inner()) {
        Ok(reader) => {
            let pieces = stream::unfold(reader, |mut reader| async move {
                let piece = reader.next().await?;
                Some((Ok::<_, std::convert::Infallible>(piece), reader))
            });
            headers().streaming(pieces)
        }
        Err(error) => error.into_response(),
    }
}

/// Checks a request as [`follow`] does, and gives the head of its answer.
async fn head(request: HttpRequest, api: Data<Api>, events: Data<Events>) -> HttpResponse {
    match admitted(&request, &api, &events.into_inner()) {
        Ok(_) => headers().streaming(stream::empty::<Result<bytes::Bytes, std::convert::Infallible>>()),
        Err(error) => error.into_response(),
    }
}

async fn refuse(request: HttpRequest) -> HttpResponse {
    ApiError::invalid_method(request.method().as_str(), request.path(), "GET, HEAD").into_response()
}

fn admitted(request: &HttpRequest, api: &Data<Api>, events: &Arc<Events>) -> Result<Reader, ApiError> {
    let caller = caller_of(request, api);
    crate::monitor::note_caller(request, &caller);
    let last = request.headers().get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let ask = Ask::read(request.query_string(), last, &caller);
    let ask = ask.map_err(|error| explained(error.into(), request, api, &caller))?;
    if events.is_closed() {
        return Err(ApiError::unavailable("the agent is stopping: try again later", 5));
    }
    let source = proxy::client(request, &api.settings.trusted_proxies);
    let place = events.place(source).map_err(|TooMany { most, of }| {
        ApiError::unavailable(format!("{most} readers follow the events{of}, and no more may: try again later"), 10)
    })?;
    let allowed = still_allowed(request, api, &caller);
    let departure = request.conn_data::<Peer>().map(|peer| peer.departure.clone()).unwrap_or_default();
    Ok(Reader::new(place, ask, caller, allowed, departure))
}

fn headers() -> HttpResponseBuilder {
    let mut response = HttpResponse::build(StatusCode::OK);
    response
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Nobody on the way may hold events back until there are more, we ourselves by compression included.
        .insert_header(("x-accel-buffering", "no"))
        .insert_header((header::CONTENT_ENCODING, "identity"));
    response
}

impl From<AskError> for ApiError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Forbidden { name } => Self::forbidden(name),
            other => Self::bad_request(other.to_string()),
        }
    }
}
