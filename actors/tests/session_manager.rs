//! Sessions and keys over a real store: who gets in, what ends, and that nothing is left behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::*;
use mf2c_actors::hasher::Hasher;
use mf2c_actors::ports::World;
use mf2c_actors::resource_store::{AddResource, EditResource, ResourceStore};
use mf2c_actors::session_manager::*;
use mf2c_auth::passwords;
use mf2c_auth::token::TokenKey;
use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::id::ResourceId;
use mf2c_domain::people::session::Place;
use mf2c_domain::people::throttle::Limits;
use mf2c_domain::resource;
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_store::engine::MemoryEngine;
use mf2c_store::{NewDocument, Store, StoreOptions};
use serde_json::{Map, Value, json};

/// A clock that goes only when it is told to.
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + self.0.load(Ordering::SeqCst))
    }
    fn elapsed(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.load(Ordering::SeqCst)).unwrap())
    }
}

struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        for part in buffer.chunks_mut(8) {
            let bytes = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).to_le_bytes();
            part.copy_from_slice(&bytes[..part.len()]);
        }
    }
}

struct Room {
    hands: Arc<Hands>,
    world: World,
    store: Arc<Store>,
    writer: Addr<ResourceStore>,
    sessions: Addr<SessionManager>,
    tokens: Arc<TokenKey>,
}

fn room() -> Room {
    let hands = Arc::new(Hands(0.into()));
    let clock: Arc<dyn Clock> = Arc::<Hands>::clone(&hands);
    let world = World { clock, entropy: Arc::new(Counter(1.into())) };
    let engine = Arc::new(MemoryEngine::new());
    let clock = Arc::clone(&world.clock);
    let (store, writer) = Store::open(engine, StoreOptions::default(), clock, &*world.entropy).unwrap();
    let writer = ResourceStore::new(writer, 1024).start();
    let tokens = Arc::new(TokenKey::from_bytes(&[1; 32]));
    let settings =
        SessionSettings { life: Duration::from_secs(3600), without_account: false, limits: Limits::default() };
    let hasher = Hasher::new(Arc::clone(&world.entropy));
    let sessions =
        SessionManager::new(Arc::clone(&store), writer.clone(), world.clone(), Arc::clone(&tokens), hasher, settings);
    Room { hands, world, store, writer, sessions: sessions.start(), tokens }
}

impl Room {
    async fn user(&self, name: &str, password: Option<&str>) {
        let spec = resource::find("user").unwrap();
        let mut body = json!({"username": name, "emailAddress": "a@b", "state": "ACTIVE"});
        if let Some(password) = password {
            body["password"] = passwords::hash(password, &*self.world.entropy).unwrap().into();
        }
        let now = self.world.clock.now();
        let draft = spec.prepare_add(body.as_object().unwrap().clone(), now, &*self.world.entropy).unwrap();
        let new = NewDocument::new(spec, draft, &Caller::agent(), &*self.world.entropy).unwrap();
        self.writer.send(AddResource(new)).await.unwrap().unwrap();
    }

    async fn edit(&self, id: &str, changes: Value) {
        let changes = changes.as_object().unwrap().clone();
        let id = ResourceId::parse(id).unwrap();
        let edit = EditResource { id, changes, removed: vec![], if_match: None, by: Caller::agent() };
        self.writer.send(edit).await.unwrap().unwrap();
    }

    async fn prove(&self, proof: Proof) -> Result<SignedIn, SignInError> {
        let source = IpAddr::from([192, 0, 2, 1]);
        let template = "session-template/internal".to_owned();
        let place = Place { client: source.to_string(), server: None };
        self.sessions.send(SignIn { proof, template, source, place, about: Map::new() }).await.unwrap()
    }

    async fn sign_in(&self, name: &str, password: &str) -> Result<SignedIn, SignInError> {
        self.prove(Proof::Password { username: name.to_owned(), password: password.to_owned() }).await
    }

    async fn key(&self, name: &str, ttl: u64) -> IssuedKey {
        let by = Caller::new(name, ["USER", "session/x"]);
        self.sessions.send(IssueKey { by, ttl, about: Map::new() }).await.unwrap().unwrap()
    }

    async fn by_key(&self, key: &IssuedKey) -> Result<SignedIn, SignInError> {
        self.prove(Proof::Key { key: key.id.to_string(), secret: key.secret.clone() }).await
    }

    fn is_there(&self, id: &ResourceId) -> bool {
        self.store.get(id.as_str()).is_some()
    }

    fn later(&self, seconds: i64) {
        self.hands.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

#[actix::test]
async fn only_an_active_user_with_a_password_signs_in_by_one() {
    let room = room();
    room.user("jane", Some("correct horse")).await;
    room.user("service", None).await;
    let signed_in = room.sign_in("jane", "correct horse").await.unwrap();
    let claims = room.tokens.verify(&signed_in.token, room.world.clock.now()).unwrap();
    assert_eq!((claims.username.as_str(), claims.session.as_str()), ("jane", signed_in.session.as_str()));
    assert_eq!(claims.roles, format!("USER ANON {}", signed_in.session));
    for (name, password) in [("jane", "wrong horse"), ("joe", "correct horse"), ("service", ""), ("", "")] {
        let refused = room.sign_in(name, password).await.err().unwrap();
        assert_eq!(refused.to_string(), format!("invalid credentials for '{name}'"));
    }
    room.edit("user/jane", json!({"state": "SUSPENDED"})).await;
    let refused = room.sign_in("jane", "correct horse").await.err().unwrap();
    assert_eq!(refused.to_string(), "invalid credentials for 'jane'");
}

#[actix::test]
async fn many_at_once_are_served_in_turn_and_guesses_at_once_are_not() {
    let room = room();
    room.user("jane", Some("correct horse")).await;
    let both = futures_util::future::join_all((0..40).map(|_| room.sign_in("joe", "guess"))).await;
    let tried = both.iter().filter(|outcome| matches!(outcome, Err(SignInError::Invalid { .. }))).count();
    let told_to_wait = both.iter().filter(|outcome| matches!(outcome, Err(SignInError::Wait(_)))).count();
    assert_eq!((tried, told_to_wait), (10, 30));
    room.later(60);
    let good = futures_util::future::join_all((0..8).map(|_| room.sign_in("jane", "correct horse"))).await;
    assert!(good.iter().all(Result::is_ok));
    assert_eq!(room.store.count("session"), 8);
}

#[actix::test]
async fn a_users_sessions_end_together_but_for_one() {
    let room = room();
    room.user("jane", Some("correct horse")).await;
    room.user("joe", Some("correct horse")).await;
    let [one, two] =
        [room.sign_in("jane", "correct horse").await.unwrap(), room.sign_in("jane", "correct horse").await.unwrap()];
    let other = room.sign_in("joe", "correct horse").await.unwrap();
    let end = |except| EndSessions { username: "jane".into(), except };
    assert_eq!(room.sessions.send(end(Some(one.session.clone()))).await.unwrap().unwrap(), 1);
    assert!(room.is_there(&one.session) && !room.is_there(&two.session) && room.is_there(&other.session));
    assert_eq!(room.sessions.send(end(None)).await.unwrap().unwrap(), 1);
    assert!(!room.is_there(&one.session) && room.is_there(&other.session));
}

#[actix::test]
async fn a_new_password_ends_what_the_old_one_began() {
    let room = room();
    room.user("jane", Some("correct horse")).await;
    let session = room.sign_in("jane", "correct horse").await.unwrap().session;
    let set = |name: &str, password: &str| SetPassword { username: name.into(), password: password.into() };
    room.sessions.send(set("jane", "battery staple")).await.unwrap().unwrap();
    assert!(!room.is_there(&session));
    assert!(room.sign_in("jane", "correct horse").await.is_err());
    assert!(room.sign_in("jane", "battery staple").await.is_ok());
    for (name, password) in [("nobody", "battery staple"), ("../jane", "battery staple"), ("jane", "short")] {
        assert!(room.sessions.send(set(name, password)).await.unwrap().is_err(), "{name}");
    }
}

#[actix::test]
async fn a_key_needs_its_user_and_goes_with_him() {
    let room = room();
    room.user("jane", None).await;
    let (key, stray) = (room.key("jane", 0).await, room.key("ghost", 0).await);
    let session = room.by_key(&key).await.unwrap().session;
    assert!(matches!(room.by_key(&stray).await, Err(SignInError::Invalid { .. })), "there is no such user");
    room.edit("user/jane", json!({"state": "SUSPENDED"})).await;
    assert!(room.by_key(&key).await.is_err());
    let ended = room.sessions.send(EndSessionsOfKey { key: key.id.clone() }).await.unwrap().unwrap();
    assert!(ended == 1 && !room.is_there(&session) && room.is_there(&key.id));
    let gone = room.sessions.send(EndKeys { username: "jane".into() }).await.unwrap().unwrap();
    assert!(gone == 1 && !room.is_there(&key.id) && room.is_there(&stray.id));
}

#[actix::test]
async fn a_user_has_a_thousand_sessions_and_keys_at_most_and_others_go_on() {
    let room = room();
    room.user("jane", None).await;
    room.user("joe", None).await;
    let (hers, his) = (room.key("jane", 0).await, room.key("joe", 0).await);
    let other = room.by_key(&his).await.unwrap().session;
    let first = room.by_key(&hers).await.unwrap().session;
    let second = room.by_key(&hers).await.unwrap().session;
    for _ in 2..1000 {
        room.by_key(&hers).await.unwrap();
    }
    assert!(room.is_there(&first));
    let last = room.by_key(&hers).await.unwrap().session;
    assert!(!room.is_there(&first), "her oldest session makes room");
    assert!([&second, &last, &other].iter().all(|session| room.is_there(session)));

    for _ in 1..1000 {
        room.key("jane", 0).await;
    }
    let issue = |name: &str| IssueKey { by: Caller::new(name, ["USER"]), ttl: 0, about: Map::new() };
    let refused = room.sessions.send(issue("jane")).await.unwrap();
    assert!(matches!(refused, Err(SignInError::TooManyOwn { limit: 1000 })));
    assert!(room.sessions.send(issue("joe")).await.unwrap().is_ok());
}

#[actix::test]
async fn a_key_that_is_made_with_a_key_ends_with_it() {
    let room = room();
    room.user("jane", None).await;
    let short = room.key("jane", 60).await;
    let session = room.by_key(&short).await.unwrap().session;
    let by = Caller::new("jane", ["USER", session.as_str()]);
    let derived = room.sessions.send(IssueKey { by, ttl: 0, about: Map::new() }).await.unwrap().unwrap();
    assert!(room.by_key(&derived).await.is_ok());
    room.later(61);
    assert!(room.by_key(&derived).await.is_err());
}

#[actix::test]
async fn what_has_expired_is_swept_away_and_nothing_else() {
    let room = room();
    room.user("jane", Some("correct horse")).await;
    let (for_ever, short) = (room.key("jane", 0).await, room.key("jane", 100).await);
    let from_short = room.by_key(&short).await.unwrap();
    let old = room.sign_in("jane", "correct horse").await.unwrap();
    assert_eq!(from_short.expiry, Timestamp::from_millis(1_700_000_100_000), "a session ends with its key");
    room.later(1800);
    let young = room.sign_in("jane", "correct horse").await.unwrap();
    assert!(room.by_key(&short).await.is_err());
    assert_eq!(room.sessions.send(Sweep).await.unwrap().unwrap(), 2);
    assert!(!room.is_there(&short.id) && !room.is_there(&from_short.session));
    room.later(1800);
    assert_eq!(room.sessions.send(Sweep).await.unwrap().unwrap(), 1);
    assert!(!room.is_there(&old.session) && room.is_there(&young.session) && room.is_there(&for_ever.id));
    assert_eq!(room.tokens.verify(&old.token, room.world.clock.now()), None);
}
