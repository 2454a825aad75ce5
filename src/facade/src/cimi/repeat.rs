//! `Idempotency-Key` on a POST: what is sent again is not added again (draft-ietf-httpapi-idempotency-key-header).
//!
//! The id of a resource that is added under a key is made of the key. So an agent that was killed between a commit and its
//! answer finds the resource when the request is sent again, without having kept anything but the resource. What is kept,
//! in memory, serves to tell a repeated request from another one with the same key.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use mf2c_domain::entropy::Entropy;
use mf2c_domain::resource::{Naming, TypeSpec, takes_idempotency_key};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::Exchange;
use super::body::object;
use super::collection::{created, oddity, store_by};
use crate::error::ApiError;

/// The header.
const NAME: &str = "idempotency-key";
/// Says that an answer was given before.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The longest key.
const MAX_KEY: usize = 255;
/// How long a key is remembered.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// The most keys that are remembered; the oldest go first.
const MAX_KEYS: usize = 10_000;

/// A digest that stands for caller, path and key; and one that stands for a body.
type Digested = [u8; 32];

/// The keys that are remembered.
#[derive(Default)]
pub struct Repeats(Mutex<Known>);

#[derive(Default)]
struct Known {
    running: HashMap<Digested, Digested>,
    done: HashMap<Digested, Done>,
    /// When each was done, oldest first.
    order: VecDeque<(Duration, Digested)>,
}

struct Done {
    body: Digested,
    id: Box<str>,
}

/// What a key leads to.
enum Begun<'r> {
    First(Turn<'r>),
    Again(Box<str>),
}

/// A request that is being carried out under a key; the key is free again when this goes without success.
struct Turn<'r> {
    repeats: &'r Repeats,
    slot: Digested,
    body: Digested,
}

impl Repeats {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known().done.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn begin(&self, slot: Digested, body: Digested, now: Duration) -> Result<Begun<'_>, ApiError> {
        let mut known = self.known();
        known.forget(now);
        if let Some(done) = known.done.get(&slot) {
            return if done.body == body { Ok(Begun::Again(done.id.clone())) } else { Err(another()) };
        }
        match known.running.get(&slot) {
            Some(running) if *running == body => Err(running_still()),
            Some(_) => Err(another()),
            None => {
                known.running.insert(slot, body);
                Ok(Begun::First(Turn { repeats: self, slot, body }))
            }
        }
    }
}

impl Known {
    fn forget(&mut self, now: Duration) {
        while let Some((at, slot)) = self.order.front() {
            if self.order.len() <= MAX_KEYS && now.saturating_sub(*at) < KEPT {
                break;
            }
            self.done.remove(slot);
            self.order.pop_front();
        }
    }
}

impl Turn<'_> {
    fn done(&self, id: &str, now: Duration) {
        let mut known = self.repeats.known();
        known.done.insert(self.slot, Done { body: self.body, id: id.into() });
        known.order.push_back((now, self.slot));
        known.forget(now);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.repeats.known().running.remove(&self.slot);
    }
}

fn another() -> ApiError {
    let message = "this `Idempotency-Key` was used with another body: use a new key for a new request";
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, message)
}

fn running_still() -> ApiError {
    let message = "a request with this `Idempotency-Key` is being carried out: wait for its answer, or ask again";
    ApiError::new(StatusCode::CONFLICT, message).retry_after(1)
}

/// 400 for a key on a request for a type whose answers must not be kept, however it is going to be answered.
pub(super) fn refuse_beside_secrets(exchange: &Exchange<'_>, spec: &TypeSpec) -> Result<(), ApiError> {
    if takes_idempotency_key(spec) || !exchange.request.headers().contains_key(NAME) {
        return Ok(());
    }
    let message =
        format!("`Idempotency-Key` is not taken for {}, where secrets are exchanged: leave it out", spec.name);
    Err(ApiError::bad_request(message))
}

/// A key that a request carries, checked.
pub(super) struct Key<'k>(&'k str);

/// The key of a request, if it has one.
///
/// # Errors
/// 400 for a bad key, and for a caller whom nobody knows.
pub(super) fn key<'e>(exchange: &'e Exchange<'_>) -> Result<Option<Key<'e>>, ApiError> {
    let mut given = exchange.request.headers().get_all(NAME);
    let Some(value) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(ApiError::bad_request("there are several `Idempotency-Key` headers: expected one"));
    }
    if exchange.caller.identity().is_none() {
        let message = "`Idempotency-Key` needs a caller with a name: sign in, or leave it out";
        return Err(ApiError::bad_request(message));
    }
    checked(value).map(Some)
}

/// The text of a key. The draft writes it as a quoted string; plain ones are as common.
fn checked(value: &HeaderValue) -> Result<Key<'_>, ApiError> {
    let bad = || ApiError::bad_request("`Idempotency-Key` is no key: expected 1 to 255 visible ASCII characters");
    let text = value.to_str().map_err(|_| bad())?;
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let good = (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if good { Ok(Key(text)) } else { Err(bad()) }
}

/// The text of a request's key, if it has one.
///
/// # Errors
/// 400 for a bad key, and for a caller whom nobody knows.
pub(crate) fn key_text(exchange: &Exchange<'_>) -> Result<Option<String>, ApiError> {
    Ok(key(exchange)?.map(|key| key.0.to_owned()))
}

/// 400 for a key on a request that adds many.
pub(super) fn refuse_for_many(key: Option<&Key<'_>>) -> Result<(), ApiError> {
    let message = "`Idempotency-Key` is taken for single resources only: send them one by one, or leave it out";
    key.map_or(Ok(()), |_| Err(ApiError::bad_request(message)))
}

/// Adds one resource, unless a request with this key has added it already.
pub(super) async fn add_once(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    key: &Key<'_>,
    bytes: &[u8],
) -> Result<HttpResponse, ApiError> {
    let (repeats, clock) = (&exchange.api.repeats, &exchange.api.world.clock);
    let slot = digest(&[
        &exchange.api.store.identity().node,
        exchange.caller.identity().unwrap_or_default().as_bytes(),
        spec.name.as_bytes(),
        key.0.as_bytes(),
    ]);
    let turn = match repeats.begin(slot, digest(&[bytes]), clock.elapsed())? {
        Begun::Again(id) => return Ok(replayed(&id, oddity(exchange, spec, &object(bytes)?))),
        Begun::First(turn) => turn,
    };
    let body = object(bytes)?;
    let odd = oddity(exchange, spec, &body);
    match store_by(exchange, spec, body.clone(), &Seeded::new(slot)).await {
        Ok(id) => {
            turn.done(&id, clock.elapsed());
            Ok(created(&id, odd))
        }
        Err(refused) => {
            let id = added_before(exchange, spec, body, &slot, refused)?;
            turn.done(&id, clock.elapsed());
            Ok(replayed(&id, odd))
        }
    }
}

/// The id of the resource that a forgotten request with this key has added; else the refusal itself. One that holds
/// something else, and was not edited since, is of another request.
fn added_before(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    body: Map<String, Value>,
    slot: &Digested,
    refused: ApiError,
) -> Result<String, ApiError> {
    let by_chance = matches!(spec.naming, Naming::Random) && !spec.one_per_node;
    let id = refused.resource().filter(|_| by_chance && refused.status() == StatusCode::CONFLICT);
    let Some(found) = id.and_then(|id| exchange.api.store.get(id)) else { return Err(refused) };
    let Some(json) = exchange.api.store.body(&found)? else { return Err(refused) };
    let stored: Map<String, Value> = serde_json::from_slice(&json).unwrap_or_default();
    let sent: Vec<String> = body.keys().cloned().collect();
    let draft = spec.prepare_add(body, exchange.api.world.clock.now(), &Seeded::new(*slot))?;
    let differs = |name: &String| draft.attributes.get(name).is_some_and(|value| stored.get(name) != Some(value));
    if stored.get("created") == stored.get("updated") && sent.iter().any(differs) {
        return Err(another());
    }
    Ok(found.id.as_str().to_owned())
}

fn replayed(id: &str, odd: Option<String>) -> HttpResponse {
    let mut response = created(id, odd);
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Parts with their lengths, so that no two lists of parts are the same text.
fn digest(parts: &[&[u8]]) -> Digested {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Bytes that follow from a seed: the same in every attempt of a request.
struct Seeded {
    seed: Digested,
    blocks: AtomicU64,
}

impl Seeded {
    fn new(seed: Digested) -> Self {
        Self { seed, blocks: AtomicU64::new(0) }
    }
}

impl Entropy for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let block = self.blocks.fetch_add(1, Ordering::Relaxed);
            let bytes = digest(&[b"entropy", &self.seed, &block.to_be_bytes()]);
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use mf2c_domain::entropy::uuid_v4;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn first(repeats: &Repeats, slot: u8, body: u8, now: Duration) -> Turn<'_> {
        match repeats.begin([slot; 32], [body; 32], now) {
            Ok(Begun::First(turn)) => turn,
            _ => panic!("slot {slot} is taken"),
        }
    }

    fn status(repeats: &Repeats, slot: u8, body: u8, now: Duration) -> u16 {
        match repeats.begin([slot; 32], [body; 32], now) {
            Ok(Begun::First(_)) => 201,
            Ok(Begun::Again(_)) => 200,
            Err(error) => error.status().as_u16(),
        }
    }

    #[test]
    fn a_key_is_free_again_after_a_failure_and_taken_after_a_success_for_a_day() {
        let repeats = Repeats::default();
        let turn = first(&repeats, 1, 1, SECOND);
        assert_eq!((status(&repeats, 1, 1, SECOND), status(&repeats, 1, 2, SECOND)), (409, 422));
        drop(turn);
        let turn = first(&repeats, 1, 2, SECOND);
        turn.done("device/a", SECOND);
        drop(turn);
        assert_eq!((status(&repeats, 1, 2, SECOND), status(&repeats, 1, 1, SECOND)), (200, 422));
        assert_eq!(status(&repeats, 1, 2, KEPT), 200);
        assert_eq!(status(&repeats, 1, 1, KEPT + SECOND), 201);
        assert!(repeats.is_empty());
    }

    #[test]
    fn the_oldest_key_goes_when_there_are_too_many() {
        let repeats = Repeats::default();
        for number in 0..=MAX_KEYS {
            let slot = digest(&[&number.to_be_bytes()]);
            match repeats.begin(slot, [0; 32], SECOND) {
                Ok(Begun::First(turn)) => turn.done("device/a", SECOND),
                _ => panic!("{number}"),
            }
        }
        assert_eq!(repeats.len(), MAX_KEYS);
        let oldest = digest(&[&0usize.to_be_bytes()]);
        assert!(matches!(repeats.begin(oldest, [1; 32], SECOND), Ok(Begun::First(_))));
    }

    #[test]
    fn keys_are_visible_ascii_with_or_without_quotes() {
        for (value, key) in [("8e03-97", Some("8e03-97")), ("\"8e03-97\"", Some("8e03-97")), ("", None), ("\"\"", None)]
        {
            assert_eq!(checked(&HeaderValue::from_str(value).unwrap()).ok().map(|key| key.0), key);
        }
        let longest = "k".repeat(255);
        for (value, good) in [(longest.clone(), true), (longest + "k", false), ("a b".to_owned(), false)] {
            assert_eq!(checked(&HeaderValue::from_str(&value).unwrap()).is_ok(), good);
        }
        assert!(checked(&HeaderValue::from_bytes(b"\xff").unwrap()).is_err());
    }

    #[test]
    fn the_same_seed_makes_the_same_ids_and_another_one_others() {
        let ids = |seed: u8| {
            let seeded = Seeded::new([seed; 32]);
            (uuid_v4(&seeded), uuid_v4(&seeded))
        };
        assert_eq!(ids(1), ids(1));
        assert_ne!(ids(1).0, ids(1).1);
        assert_ne!(ids(1).0, ids(2).0);
    }
}
