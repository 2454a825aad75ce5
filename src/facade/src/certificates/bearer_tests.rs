//! Certificates against documents in a real store, with a clock that the tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{self, Draft};
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_store::engine::MemoryEngine;
use mf2c_store::{Command, Delete, Edit, NewDocument, Store, StoreOptions, Writer};
use serde_json::{Map, Value, json};

use super::{Bearer, Unfit};
use crate::front::CertifiedUser;

/// In milliseconds since 1970.
struct Hands(AtomicU64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0.load(Ordering::Relaxed)).unwrap())
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

struct Same;

impl Entropy for Same {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

struct World {
    clock: Arc<Hands>,
    store: Arc<Store>,
    writer: Writer,
}

const DAY: u64 = 86_400_000;

impl World {
    /// With the user jane and the certificate 0a of hers, made 0.2 s later, for a day.
    fn new() -> (Self, Bearer) {
        let clock = Arc::new(Hands(AtomicU64::new(1_560_000_000_700)));
        let engine = Arc::new(MemoryEngine::new());
        let (store, writer) = Store::open(engine, StoreOptions::default(), clock.clone(), &Same).unwrap();
        let mut world = Self { clock, store, writer };
        world.add_jane();
        world.pass(200);
        let shown = world.certify("0a", "jane");
        (world, Bearer::new(shown))
    }

    fn pass(&self, millis: u64) {
        self.clock.0.fetch_add(millis, Ordering::Relaxed);
    }

    fn add(&mut self, kind: &str, name: &str, attributes: Value) {
        let Value::Object(attributes) = attributes else { unreachable!() };
        let draft = Draft { attributes, acl: None, name: Some(name.to_owned()) };
        let new = NewDocument::new(resource::find(kind).unwrap(), draft, &Caller::agent(), &Same).unwrap();
        self.execute(Command::Add(Box::new(new)));
    }

    fn execute(&mut self, command: Command) {
        let outcomes = self.writer.execute(vec![command]);
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    }

    fn add_jane(&mut self) {
        let jane = json!({"username": "jane", "emailAddress": "jane@example.org", "state": "ACTIVE", "roles": "ops"});
        self.add("user", "jane", jane);
    }

    /// A certificate with its document, dated back as authorities do, in whole seconds.
    fn certify(&mut self, serial: &str, user: &str) -> CertifiedUser {
        let now = self.clock.0.load(Ordering::Relaxed) / 1000 * 1000;
        let [not_before, not_after] =
            [now - 300_000, now + DAY].map(|at| Timestamp::from_millis(i64::try_from(at).unwrap()));
        let document = json!({
            "serial": serial, "kind": "user", "user": user, "issuer": "i", "subject": "s", "state": "VALID",
            "notBefore": not_before.to_string(), "notAfter": not_after.to_string(), "publicKey": "c0de", "pem": "p",
        });
        self.add("certificate", serial, document);
        CertifiedUser {
            name: user.into(),
            serial: serial.into(),
            key: "c0de".into(),
            key_id: "1d".into(),
            not_before,
            not_after,
        }
    }

    fn edit(&mut self, id: &str, changes: Value) {
        let Value::Object(changes) = changes else { unreachable!() };
        self.edit_and_remove(id, changes, &[]);
    }

    fn edit_and_remove(&mut self, id: &str, changes: Map<String, Value>, removed: &[&str]) {
        let id = ResourceId::parse(id).unwrap();
        let removed = removed.iter().map(|name| (*name).to_owned()).collect();
        self.execute(Command::Edit(Box::new(Edit { id, changes, removed, if_match: None, by: Caller::agent() })));
    }

    fn delete(&mut self, id: &str) {
        let id = ResourceId::parse(id).unwrap();
        self.execute(Command::Delete(Delete { id, if_match: None, by: Caller::agent() }));
    }

    fn ask(&self, bearer: &Bearer) -> Result<Caller, Unfit> {
        let first = bearer.caller(&self.store, self.clock.now());
        assert_eq!(bearer.caller(&self.store, self.clock.now()), first, "what is known says the same");
        first
    }
}

#[test]
fn a_certificate_gives_the_rights_that_the_account_has_today() {
    let (mut world, bearer) = World::new();
    let caller = world.ask(&bearer).unwrap();
    assert_eq!((caller.identity(), caller.certificate(), caller.session()), (Some("jane"), Some("0a"), None));
    assert_eq!(caller.roles().collect::<Vec<_>>(), ["USER", "ANON", "ops"]);
    world.edit("user/jane", json!({"isSuperUser": true}));
    assert!(world.ask(&bearer).unwrap().is_admin());
    world.edit_and_remove("user/jane", Map::new(), &["isSuperUser", "roles"]);
    assert_eq!(world.ask(&bearer).unwrap().roles().collect::<Vec<_>>(), ["USER", "ANON"]);
}

#[test]
fn what_ends_a_certificate_or_its_user_counts_at_once() {
    let (mut world, bearer) = World::new();
    world.edit("user/jane", json!({"state": "SUSPENDED"}));
    assert_eq!(world.ask(&bearer), Err(Unfit::Barred));
    world.edit("user/jane", json!({"state": "ACTIVE"}));
    assert!(world.ask(&bearer).is_ok());
    world.edit("certificate/0a", json!({"state": "REVOKED"}));
    assert_eq!(world.ask(&bearer), Err(Unfit::Revoked));
    world.delete("certificate/0a");
    assert_eq!(world.ask(&bearer), Err(Unfit::Unknown));

    let (mut world, bearer) = World::new();
    assert!(world.ask(&bearer).is_ok());
    world.delete("user/jane");
    assert_eq!(world.ask(&bearer), Err(Unfit::NoUser));
}

#[test]
fn a_certificate_ends_with_its_last_second_also_on_an_open_connection() {
    let (world, bearer) = World::new();
    world.pass(DAY - 901);
    let caller = world.ask(&bearer).unwrap();
    world.pass(1);
    assert!(matches!(world.ask(&bearer), Err(Unfit::Expired(_))));
    assert!(!caller.holds(world.clock.now()));
}

#[test]
fn a_new_user_of_an_old_name_is_somebody_else() {
    let (mut world, bearer) = World::new();
    world.delete("user/jane");
    world.pass(1);
    world.add_jane();
    assert_eq!(world.ask(&bearer), Err(Unfit::OlderThanUser), "within the same second");
    let (mut world, bearer) = World::new();
    let record = world.store.get("certificate/0a").map(|found| found.id.clone());
    world.delete("user/jane");
    world.pass(5000);
    world.add_jane();
    // Not even if the certificate's document were written anew.
    world.delete(record.unwrap().as_str());
    let again = world.certify("0a", "jane");
    assert_eq!(world.ask(&bearer), Err(Unfit::OlderThanUser));
    assert!(world.ask(&Bearer::new(again)).is_ok());
}

#[test]
fn a_certificate_that_says_something_else_than_its_document_is_unknown() {
    let (mut world, _) = World::new();
    world.add("user", "joe", json!({"username": "joe", "emailAddress": "joe@example.org", "state": "ACTIVE"}));
    let shown = world.certify("0b", "jane");
    let other = |change: fn(&mut CertifiedUser)| {
        let mut shown = shown.clone();
        change(&mut shown);
        Bearer::new(shown)
    };
    for bearer in [
        other(|shown| shown.name = "joe".into()),
        other(|shown| shown.key = "beef".into()),
        other(|shown| shown.serial = "0c".into()),
        other(|shown| shown.serial = "../user/jane".into()),
    ] {
        assert_eq!(world.ask(&bearer), Err(Unfit::Unknown), "{bearer:?}");
    }
    world.edit("certificate/0b", json!({"kind": "agent"}));
    assert_eq!(world.ask(&Bearer::new(shown)), Err(Unfit::Unknown));
}
