//! Notifications: short messages to users, each a document of its reader.

use mf2c_domain::resource::types::people::notification::{LONGEST_TEXT, MOST_OF_ONE, SPEC};
use mf2c_domain::resource::types::people::testbed_profile::acl_of;
use mf2c_domain::testbed::names::digest;
use mf2c_domain::time::Timestamp;
use mf2c_soap::{Field, ObjectType, Request, Value};
use mf2c_store::StoreError;
use serde_json::{Map, Value as Json, json};

use super::call::Call;
use super::documents::Record;
use super::fault::Fault;
use super::testbed;
use super::types::{instant, shown, stamp};
use crate::cimi::Api;
use crate::cimi::parts::quoted;

/// The most users that one message goes to, and the most messages that are marked at a time.
const MOST_AT_ONCE: usize = 1000;

/// `READ` or `URGENT`, set or not.
pub(super) static NOTIFICATION_FLAG: ObjectType =
    ObjectType { name: "NotificationFlag", fields: &[Field::flag("isSet"), Field::text("tag")] };

pub(super) static USER_NOTIFICATION: ObjectType = ObjectType {
    name: "UserNotification",
    fields: &[
        Field::text("body"),
        Field::object("flags", &NOTIFICATION_FLAG).many(),
        Field::long("id"),
        Field::text("sent"),
        // As the first versions of the original have it.
        Field::flag("isRead"),
        Field::text("text"),
    ],
};

/// Which notifications are wanted.
pub(super) static FILTER: [Field; 5] = [
    Field::text("uid").or(&["userid"]),
    Field::text("from").or(&["firstDate"]),
    Field::text("to").or(&["lastDate"]),
    Field::object("flags", &NOTIFICATION_FLAG).many(),
    Field::flag("onlyUnread"),
];

/// What is said of the two flags; none where nothing is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Flags {
    read: Option<bool>,
    urgent: Option<bool>,
}

impl Flags {
    fn of(request: &Request) -> Result<Self, Fault> {
        let mut flags = Self::default();
        for flag in request.objects("flags") {
            let set = Some(flag.flag("isSet").unwrap_or(true));
            match flag.text("tag").unwrap_or_default().to_ascii_uppercase().as_str() {
                "READ" => flags.read = set,
                "URGENT" => flags.urgent = set,
                _ => return Err(Fault::request("Bad Notification Flag")),
            }
        }
        Ok(flags)
    }

    /// Whether a notification is marked so.
    fn fit(self, record: &Record) -> bool {
        let fits = |wanted: Option<bool>, name: &str| wanted.is_none_or(|wanted| is(record, name) == wanted);
        fits(self.read, "read") && fits(self.urgent, "urgent")
    }
}

fn is(record: &Record, name: &str) -> bool {
    record.body.get(name).and_then(Json::as_bool) == Some(true)
}

/// Sends a message of the agent's own to users. Whoever is none is passed over.
///
/// # Errors
/// What the store refuses.
pub(super) async fn notify(call: &Call<'_>, users: &[&str], text: &str) -> Result<(), Fault> {
    for user in users.iter().filter(|user| is_user(call, user)) {
        send_one(call, user, text, None, Flags::default()).await?;
    }
    Ok(())
}

fn is_user(call: &Call<'_>, name: &str) -> bool {
    call.exchange.api.store.get(&format!("user/{name}")).is_some_and(|found| found.id.kind() == "user")
}

/// As [`notify`], outside requests, to a user who is there: of the same `about` there is one message, however often it is sent.
///
/// # Errors
/// What the store refuses.
pub(super) async fn tell_once(api: &Api, user: &str, text: &str, about: &str) -> Result<(), Fault> {
    let digits = digest(&[user, about]);
    // As other numbers: 63 bits at most.
    let number = digits.get(..15).and_then(|digits| i64::from_str_radix(digits, 16).ok()).unwrap_or_default();
    let message = message(user, text, api.world.clock.now(), Flags::default());
    match testbed::add(api, SPEC.name, &number.to_string(), &message, acl_of(user)).await {
        Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What stands in the document of a message.
fn message(user: &str, text: &str, sent: Timestamp, flags: Flags) -> Map<String, Json> {
    let text = text.get(..text.floor_char_boundary(LONGEST_TEXT)).unwrap_or_default();
    let message = json!({
        "user": user, "text": text, "sent": sent.to_string(),
        "read": flags.read.unwrap_or_default(), "urgent": flags.urgent.unwrap_or_default(),
    });
    message.as_object().cloned().unwrap_or_default()
}

async fn send_one(call: &Call<'_>, user: &str, text: &str, from: Option<&str>, flags: Flags) -> Result<(), Fault> {
    make_room(call, user).await?;
    let mut message = message(user, text, call.now(), flags);
    message.extend(from.map(|from| ("from".to_owned(), from.into())));
    Ok(call.add(SPEC.name, &call.random().to_string(), message, acl_of(user)).await?)
}

/// Of a user who has too many the oldest goes that was read, or else the oldest.
async fn make_room(call: &Call<'_>, user: &str) -> Result<(), Fault> {
    if call.exchange.api.store.count(SPEC.name) < MOST_OF_ONE {
        return Ok(());
    }
    let mut all = of_user(call, user).await?;
    all.sort_by_key(|record| !is(record, "read"));
    let too_many = (all.len() + 1).saturating_sub(MOST_OF_ONE);
    for record in all.iter().take(too_many) {
        call.delete(record.id()).await?;
    }
    Ok(())
}

/// All of a user, the oldest first.
async fn of_user(call: &Call<'_>, user: &str) -> Result<Vec<Record>, Fault> {
    let mut all = call.records(SPEC.name, Some(format!("user={}", quoted(user))), 10_000).await?;
    all.sort_by_key(|record| (Timestamp::parse(record.text("sent")), record.id().clone()));
    Ok(all)
}

pub(super) async fn get(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let user = call.acting_at_all(request.text("uid"))?;
    let mut wanted = Flags::of(request)?;
    if request.flag("onlyUnread") == Some(true) {
        wanted.read = Some(false);
    }
    let end = |name: &str| request.text(name).filter(|text| !text.is_empty()).map(instant).transpose();
    let (from, to) = (end("from")?, end("to")?);
    // What clients are told has no fractions of seconds.
    let second = |moment: Timestamp| moment.millis() / 1000;
    let within = |record: &Record| {
        let sent = Timestamp::parse(record.text("sent")).unwrap_or_default();
        from.is_none_or(|from| second(sent) >= second(from)) && to.is_none_or(|to| second(sent) <= second(to))
    };
    let all = of_user(call, &user).await?;
    Ok(Value::list(all.iter().filter(|record| wanted.fit(record) && within(record)).filter_map(shown_to)))
}

/// A notification as clients see it: both flags, `URGENT` first.
fn shown_to(record: &Record) -> Option<Value> {
    let id: i64 = record.id().name().parse().ok()?;
    let flag =
        |tag: &str, set: bool| Value::Object(&NOTIFICATION_FLAG, vec![("isSet", set.into()), ("tag", tag.into())]);
    let flags = vec![flag("URGENT", is(record, "urgent")), flag("READ", is(record, "read"))];
    let sent = Timestamp::parse(record.text("sent")).unwrap_or_default();
    let members = vec![
        ("body", record.text("text").into()),
        ("flags", Value::List(flags)),
        ("id", id.into()),
        ("sent", stamp(sent).into()),
        ("isRead", is(record, "read").into()),
        ("text", record.text("text").into()),
    ];
    Some(Value::Object(&USER_NOTIFICATION, members))
}

pub(super) async fn mark_read(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    marked(call, request, "notifications", Flags { read: Some(true), urgent: None }).await
}

pub(super) async fn mark(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    marked(call, request, "ids", Flags::of(request)?).await
}

async fn marked(call: &Call<'_>, request: &Request, ids: &str, flags: Flags) -> Result<Value, Fault> {
    let user = call.acting_at_all(request.text("uid"))?;
    let mut records = Vec::new();
    for id in request.longs(ids) {
        let record = call.record(SPEC.name, &id.to_string())?.filter(|record| record.text("user") == user);
        records.push(record.ok_or_else(|| Fault::request(format!("No such notification {id}")))?);
        if records.len() > MOST_AT_ONCE {
            return Err(Fault::request(format!("at most {MOST_AT_ONCE} notifications are marked at a time")));
        }
    }
    let changes = [("read", flags.read), ("urgent", flags.urgent)];
    let changes: Map<String, Json> =
        changes.into_iter().filter_map(|(name, set)| Some((name.to_owned(), set?.into()))).collect();
    for record in records.iter().filter(|record| !flags.fit(record)) {
        match call.edit(record, changes.clone(), vec![]).await {
            // Somebody else marks it too, or has deleted it.
            Ok(()) | Err(StoreError::Stale { .. } | StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true.into())
}

/// An administrator writes to users: to all of them, or to none where one is unknown.
pub(super) async fn send(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let from = call.administrator()?.to_owned();
    let flags = Flags::of(request)?;
    let text = request.text("text").filter(|text| !text.is_empty()).ok_or_else(|| Fault::request("Missing text"))?;
    let users: Vec<&str> = request.texts("users").take(MOST_AT_ONCE + 1).collect();
    if users.is_empty() || users.len() > MOST_AT_ONCE {
        return Err(Fault::request(format!("expected 1 to {MOST_AT_ONCE} users")));
    }
    if let Some(unknown) = users.iter().find(|user| !is_user(call, user)) {
        return Err(Fault::request(format!("No such user {}", shown(unknown))));
    }
    for user in users {
        send_one(call, user, text, Some(&from), flags).await?;
    }
    Ok(true.into())
}
