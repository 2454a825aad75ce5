//! Every request passes here, on its way in and its answer on its way out: it gets an id, is counted, timed and, where
//! that was asked for, logged; pages in browsers are told whether they may read the answer.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest};
use bytes::Bytes;
use mf2c_domain::caller::Caller;

use super::Monitor;
use super::access::{self, Access, Line};
use super::figures::Route;
use crate::front::Peer;

/// The header that carries the id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken over from a client.
const MAX_ID: usize = 64;

/// A worker's place to count from.
#[derive(Clone)]
pub struct Seat {
    monitor: Arc<Monitor>,
    number: usize,
    requests: Rc<Cell<u64>>,
}

impl Seat {
    pub(super) fn new(monitor: Arc<Monitor>, number: usize) -> Self {
        Self { monitor, number, requests: Rc::default() }
    }

    /// The client's id of a request if it is a sane one, else a new one.
    fn id(&self, request: &ServiceRequest) -> HeaderValue {
        if let Some(given) = request.headers().get(&REQUEST_ID).filter(|given| is_sane(given.as_bytes())) {
            return given.clone();
        }
        let number = self.requests.get();
        self.requests.set(number + 1);
        let made = format!("{}-{:x}-{number:x}", self.monitor.life, self.number);
        HeaderValue::try_from(made).unwrap_or(HeaderValue::from_static("none"))
    }
}

/// Whether an id can stand in headers and logs: 1 to 64 letters, digits, `-`, `_` and `.`.
fn is_sane(id: &[u8]) -> bool {
    (1..=MAX_ID).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// The one who asks, as far as a handler has found out; it is there if requests are logged.
#[derive(Default)]
struct Asker(RefCell<Option<String>>);

/// Tells the access log who asks.
pub fn note_caller(request: &HttpRequest, caller: &Caller) {
    if let Some(asker) = request.extensions().get::<Asker>() {
        *asker.0.borrow_mut() = caller.identity().map(access::name);
    }
}

/// The middleware.
///
/// # Errors
/// Those of the application.
pub async fn pass<B: MessageBody + Unpin + 'static>(
    seat: Seat,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<Watched<EitherBody<B>>>, Error> {
    let monitor = &*seat.monitor;
    let began = monitor.clock.elapsed();
    let (method, route, id) = (request.method().clone(), Route::of(request.path()), seat.id(&request));
    monitor.figures.begun(seat.number);
    let mut passage = Passage { monitor: Arc::clone(&seat.monitor), seat: seat.number, began, bytes: 0, line: None };
    let logged = monitor.settings.access != Access::Off;
    if logged {
        request.extensions_mut().insert(Asker::default());
    }
    let allowed = monitor.cors.look(request.headers());
    let answered = match monitor.cors.preflight(request.method(), request.headers()) {
        Some(answer) => Ok(request.into_response(answer).map_into_right_body()),
        None => next.call(request).await.map(ServiceResponse::map_into_left_body),
    };
    let after = monitor.clock.elapsed().saturating_sub(began);
    let mut response = match answered {
        Ok(response) => response,
        Err(error) => {
            let status = error.as_response_error().status_code();
            monitor.figures.answered(seat.number, &method, route, status, after);
            return Err(error);
        }
    };
    let status = response.status();
    monitor.figures.answered(seat.number, &method, route, status, after);
    if logged && monitor.settings.access.takes(status.as_u16()) {
        passage.line = Some(Box::new(line(monitor, response.request(), status.as_u16(), &id)));
    }
    monitor.cors.tell(allowed, response.headers_mut());
    response.headers_mut().insert(REQUEST_ID, id);
    Ok(response.map_body(|_, body| Watched { body, passage }))
}

fn line(monitor: &Monitor, request: &HttpRequest, status: u16, id: &HeaderValue) -> Line {
    let peer = request.conn_data::<Peer>().map(|peer| peer.address.ip());
    let caller = request.extensions().get::<Asker>().and_then(|asker| asker.0.borrow_mut().take());
    Line {
        method: access::name(request.method().as_str()),
        path: access::path(request.path()),
        query: access::query(request.query_string()),
        status,
        client: access::client(peer, request.headers(), &monitor.settings.trusted_proxies),
        caller,
        id: id.to_str().unwrap_or_default().to_owned(),
    }
}

/// A request that is not over.
struct Passage {
    monitor: Arc<Monitor>,
    seat: usize,
    began: Duration,
    bytes: u64,
    line: Option<Box<Line>>,
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.monitor.figures.ended(self.seat, self.bytes);
        if let Some(line) = self.line.take() {
            line.write(self.bytes, self.monitor.clock.elapsed().saturating_sub(self.began));
        }
    }
}

/// A body that knows when it has gone out.
pub struct Watched<B> {
    body: B,
    passage: Passage,
}

impl<B: MessageBody + Unpin> MessageBody for Watched<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_next(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &polled {
            this.passage.bytes += bytes.len() as u64;
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_short_plain_id_is_taken_over() {
        for good in ["a", "5f0c-1_A.b", &"a".repeat(64)] {
            assert!(is_sane(good.as_bytes()), "{good}");
        }
        for bad in ["", "a b", "a\"b", "ä", &"a".repeat(65)] {
            assert!(!is_sane(bad.as_bytes()), "{bad}");
        }
    }
}
