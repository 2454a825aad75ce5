//! What is counted of requests: by method, route and status, with their times. Every worker has a seat of its own, so
//! that counting never waits for another thread's cache line; a reader adds the seats up.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use mf2c_store::{Histogram, Spread};

/// Workers beyond this share seats.
const SEATS: usize = 8;
/// The methods that are told apart; the last one stands for all others.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "other"];
/// The statuses that are told apart; the last one stands for all others.
const STATUSES: [&str; 28] = [
    "200", "201", "202", "204", "206", "302", "304", "400", "401", "403", "404", "405", "406", "408", "409", "410",
    "411", "412", "413", "414", "415", "422", "429", "431", "500", "503", "507", "other",
];
/// The upper bounds of request times, in microseconds: 0.5 ms to 10 s.
const MICROS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];

/// A family of paths. Their number is fixed, whatever clients ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Collection,
    Member,
    Action,
    Events,
    OpenApi,
    Health,
    Ready,
    Metrics,
    /// Heads that the front has refused.
    Refused,
    Other,
}

impl Route {
    const ALL: [Self; 10] = [
        Self::Collection,
        Self::Member,
        Self::Action,
        Self::Events,
        Self::OpenApi,
        Self::Health,
        Self::Ready,
        Self::Metrics,
        Self::Refused,
        Self::Other,
    ];

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Collection => "/api/{type}",
            Self::Member => "/api/{type}/{name}",
            Self::Action => "/api/{type}/{name}/{action}",
            Self::Events => "/events",
            Self::OpenApi => "/openapi.json",
            Self::Health => "/healthz",
            Self::Ready => "/readyz",
            Self::Metrics => "/metrics",
            Self::Refused => "refused",
            Self::Other => "other",
        }
    }

    /// The family of a path as it was sent.
    pub(super) fn of(path: &str) -> Self {
        if let Some(below) = path.strip_prefix("/api/") {
            let mut parts = below.trim_end_matches('/').splitn(3, '/');
            return match (parts.next(), parts.next(), parts.next()) {
                (Some(""), ..) => Self::Other,
                (Some("openapi.json"), None, _) => Self::OpenApi,
                (_, None, _) => Self::Collection,
                // The names of users may hold slashes, and users have no actions.
                (Some("user"), ..) | (_, Some(_), None) => Self::Member,
                _ => Self::Action,
            };
        }
        match path {
            "/events" => Self::Events,
            "/openapi.json" => Self::OpenApi,
            "/healthz" => Self::Health,
            "/readyz" => Self::Ready,
            "/metrics" => Self::Metrics,
            _ if path.starts_with(crate::front::refusal::PREFIX) => Self::Refused,
            _ => Self::Other,
        }
    }
}

/// What one worker has counted.
struct Seat {
    requests: Vec<AtomicU64>,
    times: Vec<Histogram>,
    /// More may end here than began, where a worker has handed its seat on: only the sum over all seats counts.
    in_flight: AtomicI64,
    bytes: AtomicU64,
}

/// What all workers have counted.
pub(super) struct Figures {
    seats: Vec<Seat>,
}

impl Figures {
    pub(super) fn new() -> Self {
        let cells = METHODS.len() * Route::ALL.len() * STATUSES.len();
        let seat = |_| Seat {
            requests: (0..cells).map(|_| AtomicU64::new(0)).collect(),
            times: Route::ALL.map(|_| Histogram::new(&MICROS)).into(),
            in_flight: AtomicI64::new(0),
            bytes: AtomicU64::new(0),
        };
        Self { seats: (0..SEATS).map(seat).collect() }
    }

    fn seat(&self, seat: usize) -> Option<&Seat> {
        self.seats.get(seat % SEATS)
    }

    pub(super) fn begun(&self, seat: usize) {
        if let Some(seat) = self.seat(seat) {
            seat.in_flight.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request is over: its whole answer was handed to the connection, or the client has gone.
    pub(super) fn ended(&self, seat: usize, bytes: u64) {
        if let Some(seat) = self.seat(seat) {
            seat.in_flight.fetch_sub(1, Ordering::Relaxed);
            seat.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// The head of an answer is ready.
    pub(super) fn answered(&self, seat: usize, method: &Method, route: Route, status: StatusCode, after: Duration) {
        let Some(seat) = self.seat(seat) else { return };
        if let Some(cell) = seat.requests.get(cell(place(&METHODS, method.as_str()), route, place_of(status))) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(times) = seat.times.get(route as usize) {
            times.add(u64::try_from(after.as_micros()).unwrap_or(u64::MAX));
        }
    }

    /// Every count above zero: method, route, status and how many.
    pub(super) fn requests(&self) -> Vec<(&'static str, &'static str, &'static str, u64)> {
        let mut found = Vec::new();
        for (m, method) in METHODS.iter().enumerate() {
            for route in Route::ALL {
                for (s, status) in STATUSES.iter().enumerate() {
                    let at = cell(m, route, s);
                    let count = |seat: &Seat| seat.requests.get(at).map_or(0, |cell| cell.load(Ordering::Relaxed));
                    let count: u64 = self.seats.iter().map(count).sum();
                    if count > 0 {
                        found.push((*method, route.label(), *status, count));
                    }
                }
            }
        }
        found
    }

    /// The times of each route that was asked for.
    pub(super) fn times(&self) -> Vec<(&'static str, Spread)> {
        let joined = Route::ALL.iter().filter_map(|route| {
            let mut spreads = self.seats.iter().filter_map(|seat| seat.times.get(*route as usize)).map(Histogram::read);
            let mut all = spreads.next()?;
            spreads.for_each(|spread| all.join(&spread));
            (all.count() > 0).then_some((route.label(), all))
        });
        joined.collect()
    }

    pub(super) fn in_flight(&self) -> i64 {
        self.seats.iter().map(|seat| seat.in_flight.load(Ordering::Relaxed)).sum::<i64>().max(0)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.seats.iter().map(|seat| seat.bytes.load(Ordering::Relaxed)).sum()
    }
}

fn cell(method: usize, route: Route, status: usize) -> usize {
    (method * Route::ALL.len() + route as usize) * STATUSES.len() + status
}

/// Where a word stands in a list; unknown ones stand at its end.
fn place(list: &[&str], word: &str) -> usize {
    list.iter().position(|known| *known == word).unwrap_or(list.len() - 1)
}

fn place_of(status: StatusCode) -> usize {
    place(&STATUSES, status.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_belongs_to_one_of_a_few_routes() {
        for (path, label) in [
            ("/api/device", "/api/{type}"),
            ("/api/device/", "/api/{type}"),
            ("/api/device/x", "/api/{type}/{name}"),
            ("/api/user/github/jane", "/api/{type}/{name}"),
            ("/api/callback/x/execute", "/api/{type}/{name}/{action}"),
            ("/api/a/b/c/d/e", "/api/{type}/{name}/{action}"),
            ("/api/openapi.json", "/openapi.json"),
            ("/api/", "other"),
            ("/.refused/400/malformed", "refused"),
            ("/readyz", "/readyz"),
            ("/x", "other"),
        ] {
            assert_eq!(Route::of(path).label(), label, "{path}");
        }
    }

    #[test]
    fn seats_are_added_up_and_what_is_unknown_is_folded_together() {
        let figures = Figures::new();
        let made_up = Method::from_bytes(b"MADEUP").unwrap();
        for seat in [0, 1, 9] {
            figures.begun(seat);
            figures.answered(seat, &made_up, Route::Member, StatusCode::IM_A_TEAPOT, Duration::from_millis(3));
            figures.answered(seat, &Method::GET, Route::Metrics, StatusCode::OK, Duration::from_secs(60));
        }
        figures.ended(1, 100);
        let expected = [("GET", "/metrics", "200", 3), ("other", "/api/{type}/{name}", "other", 3)];
        assert_eq!((figures.requests(), figures.in_flight(), figures.bytes()), (expected.to_vec(), 2, 100));
        let times = figures.times();
        assert_eq!(times.len(), 2);
        assert_eq!((times[0].0, times[0].1.count(), times[0].1.counts[3]), ("/api/{type}/{name}", 3, 3));
        assert_eq!(times[1].1.counts.last(), Some(&3));
    }
}
