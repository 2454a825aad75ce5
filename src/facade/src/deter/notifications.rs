//! Notifications: short messages to users, each a document of its reader.
//!
//! What somebody asks others for is told each of them once, until it is read: nobody fills another one's list by asking again and again. A
//! list that is full loses what was read, and then what those have written who wrote most of it.

use std::collections::{BTreeMap, BTreeSet};

use mf2c_domain::people::key::after;
use mf2c_domain::resource::types::people::notification::{LONGEST_TEXT, MOST_OF_ONE, SPEC};
use mf2c_domain::resource::types::people::testbed_profile::acl_of;
use mf2c_domain::testbed::names::digest;
use mf2c_domain::testbed::project::CHALLENGE_SECONDS;
use mf2c_domain::time::Timestamp;
use mf2c_soap::{Field, ObjectType, Request, Value};
use mf2c_store::StoreError;
use serde_json::{Map, Value as Json, json};

use super::call::Call;
use super::documents::{Record, records};
use super::fault::Fault;
use super::testbed;
use super::types::{instant, shown, stamp};
use crate::cimi::Api;
use crate::cimi::parts::quoted;

/// The most users that one message goes to, and the most messages that are marked at a time.
const MOST_AT_ONCE: usize = 1000;
/// The most that one user asks others for without their having read it.
const MOST_REQUESTS: usize = 20;

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

/// What somebody asks for: each with the project that it is about, and the user who belongs to it then, or owns it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Matter<'a> {
    /// To be let in to a project.
    Join { project: &'a str, uid: &'a str },
    /// That administrators make a project.
    Vet { project: &'a str, uid: &'a str },
    /// That administrators approve of a project.
    Approve { project: &'a str, uid: &'a str },
    /// That a user confirms that he belongs to a project.
    Add { project: &'a str, uid: &'a str },
}

/// The words of [`Matter::Join`] and [`Matter::Vet`], which are counted.
const JOIN: &str = "join ";
const VET: &str = "vet ";

impl Matter<'_> {
    /// As documents have it. No name of a project holds a space.
    fn text(self) -> String {
        match self {
            Self::Join { project, uid } => format!("{JOIN}{project} {uid}"),
            Self::Vet { project, uid } => format!("{VET}{project} {uid}"),
            Self::Approve { project, uid } => format!("approve {project} {uid}"),
            Self::Add { project, uid } => format!("add {project} {uid}"),
        }
    }
}

/// Tells users of what somebody has just done. Whoever is no user is passed over.
///
/// # Errors
/// What the store refuses.
pub(super) async fn notify(call: &Call<'_>, users: &[&str], text: &str) -> Result<(), Fault> {
    let from = call.user().ok();
    for user in users.iter().filter(|user| is_user(call, user)) {
        send_one(call, user, text, from, Flags::default()).await?;
    }
    Ok(())
}

/// Tells users of what somebody asks for. Of the same matter each has one message, the newest.
///
/// # Errors
/// What the store refuses.
pub(super) async fn ask(
    call: &Call<'_>,
    users: &[&str],
    text: &str,
    (from, about): (&str, Matter<'_>),
) -> Result<(), Fault> {
    let about = about.text();
    for user in users.iter().filter(|user| is_user(call, user)) {
        let number = number_of(user, &about).to_string();
        if let Some(former) = call.record(SPEC.name, &number)? {
            call.delete(former.id()).await?;
        }
        make_room(call.exchange.api, user, Some(from)).await?;
        let mut message = message(user, text, call.now(), Flags::default());
        message.extend([("from".to_owned(), from.into()), ("about".to_owned(), about.as_str().into())]);
        match call.add(SPEC.name, &number, message, acl_of(user)).await {
            // He asks twice at once.
            Ok(()) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Whether one of these users was told of a matter and has not read it yet.
///
/// # Errors
/// What the store refuses.
pub(super) fn is_open(call: &Call<'_>, users: &[&str], about: Matter<'_>) -> Result<bool, Fault> {
    let about = about.text();
    for user in users {
        let told = call.record(SPEC.name, &number_of(user, &about).to_string())?;
        if told.is_some_and(|record| !is(&record, "read")) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether somebody may ask for one thing more.
///
/// # Errors
/// A fault that names the bound.
pub(super) async fn demand_room(call: &Call<'_>, from: &str) -> Result<(), Fault> {
    let filter = format!("from={} and read=false and about!=null", quoted(from));
    let unread = call.records(SPEC.name, Some(filter), 10_000).await?;
    let counts = |record: &&Record| {
        let about = record.text("about");
        // Nobody can be let in any more by a number that does not hold.
        let holds =
            Timestamp::parse(record.text("sent")).is_some_and(|sent| call.now() < after(sent, CHALLENGE_SECONDS));
        about.starts_with(VET) || (about.starts_with(JOIN) && holds)
    };
    let open: BTreeSet<&str> = unread.iter().filter(counts).map(|record| record.text("about")).collect();
    if open.len() < MOST_REQUESTS {
        return Ok(());
    }
    let text = format!("{from} has {MOST_REQUESTS} requests that nobody has read, and no more are accepted");
    Err(Fault::request(text))
}

/// Marks as read what was told of a matter that is decided.
///
/// # Errors
/// What the store refuses.
pub(super) async fn settle(call: &Call<'_>, about: Matter<'_>) -> Result<(), Fault> {
    let filter = format!("about={} and read=false", quoted(&about.text()));
    for record in call.records(SPEC.name, Some(filter), 10_000).await? {
        match call.edit(&record, Map::from_iter([("read".to_owned(), true.into())]), vec![]).await {
            Ok(()) | Err(StoreError::Stale { .. } | StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The number of the one message to a user about something.
fn number_of(user: &str, about: &str) -> i64 {
    let digits = digest(&[user, about]);
    // As other numbers: 63 bits at most.
    digits.get(..15).and_then(|digits| i64::from_str_radix(digits, 16).ok()).unwrap_or_default()
}

fn is_user(call: &Call<'_>, name: &str) -> bool {
    call.exchange.api.store.get(&format!("user/{name}")).is_some_and(|found| found.id.kind() == "user")
}

/// As [`notify`], outside requests, to a user who is there: of the same `about` there is one message, however often it is sent.
///
/// # Errors
/// What the store refuses.
pub(super) async fn tell_once(api: &Api, user: &str, text: &str, about: &str) -> Result<(), Fault> {
    let number = number_of(user, about);
    if api.store.get(&format!("{}/{number}", SPEC.name)).is_some() {
        return Ok(());
    }
    make_room(api, user, None).await?;
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
    make_room(call.exchange.api, user, from).await?;
    let mut message = message(user, text, call.now(), flags);
    message.extend(from.map(|from| ("from".to_owned(), from.into())));
    Ok(call.add(SPEC.name, &call.random().to_string(), message, acl_of(user)).await?)
}

/// A user who has too many loses one before another comes from somebody; see [`next_to_go`].
async fn make_room(api: &Api, user: &str, from: Option<&str>) -> Result<(), Fault> {
    if api.store.count(SPEC.name) < MOST_OF_ONE {
        return Ok(());
    }
    let mut all = of_user(api, user).await?;
    while all.len() >= MOST_OF_ONE {
        let kept: Vec<Kept<'_>> = all
            .iter()
            .map(|record| Kept { from: record.body.get("from").and_then(Json::as_str), read: is(record, "read") })
            .collect();
        let Some(at) = next_to_go(&kept, from) else { return Ok(()) };
        let record = all.remove(at);
        testbed::discard(api, record.id().as_str()).await?;
    }
    Ok(())
}

/// What counts of a message where one has to go.
#[derive(Debug, Clone, Copy)]
struct Kept<'a> {
    from: Option<&'a str>,
    read: bool,
}

/// Which of a user's messages goes, where they stand from the oldest on: the oldest that was read; else the oldest of the sender who
/// has most of them, where the new one counts for its sender, who comes before others who have as many.
fn next_to_go(all: &[Kept<'_>], from: Option<&str>) -> Option<usize> {
    if let Some(read) = all.iter().position(|kept| kept.read) {
        return Some(read);
    }
    let mut counts = BTreeMap::from([(from, 1_usize)]);
    for kept in all {
        *counts.entry(kept.from).or_default() += 1;
    }
    let most = counts.values().copied().max().unwrap_or_default();
    let has_most = |sender: Option<&str>| counts.get(&sender) == Some(&most);
    let own = all.iter().position(|kept| kept.from == from).filter(|_| has_most(from));
    own.or_else(|| all.iter().position(|kept| has_most(kept.from))).or_else(|| (!all.is_empty()).then_some(0))
}

/// All of a user, the oldest first.
async fn of_user(api: &Api, user: &str) -> Result<Vec<Record>, Fault> {
    let mut all = records(api, SPEC.name, Some(format!("user={}", quoted(user))), 10_000).await?;
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
    let all = of_user(call.exchange.api, &user).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `-` is the agent's own message; capital letters were read.
    fn goes(all: &str, from: &str) -> Option<usize> {
        let name = |letter: &str| -> Option<&'static str> {
            ["a", "b", "c"].into_iter().find(|known| letter.eq_ignore_ascii_case(known))
        };
        let kept: Vec<Kept<'_>> = all
            .chars()
            .map(|letter| Kept { from: name(&letter.to_string()), read: letter.is_ascii_uppercase() })
            .collect();
        next_to_go(&kept, name(from))
    }

    #[test]
    fn what_was_read_goes_first_and_then_the_oldest_of_who_has_written_most() {
        for (all, from, at) in [
            ("", "a", None),
            ("abBa", "a", Some(2)),
            ("baa", "a", Some(1)),
            // The new one counts for its sender.
            ("ba", "a", Some(1)),
            ("bba", "a", Some(2)),
            ("bbba", "a", Some(0)),
            // Who has none yet takes a place of whoever has most.
            ("--b", "c", Some(0)),
            ("ab-", "c", Some(0)),
            ("b--a", "", Some(1)),
        ] {
            assert_eq!(goes(all, from), at, "{all} {from}");
        }
    }

    #[test]
    fn nobody_pushes_out_what_others_have_written() {
        let mut all = vec!["b", "c"];
        for _ in 0..500 {
            while all.len() >= 10 {
                let kept: Vec<Kept<'_>> = all.iter().map(|from| Kept { from: Some(from), read: false }).collect();
                let _ = all.remove(next_to_go(&kept, Some("a")).unwrap());
            }
            all.push("a");
        }
        assert_eq!((all[0], all[1], all.len()), ("b", "c", 10));
    }
}
