//! Keys: the credentials of the type `ssh-key`, which other doors show too.

use mf2c_actors::session_manager::KeepSshKey;
use mf2c_domain::caller::Caller;
use mf2c_domain::people::account::Account;
use mf2c_domain::people::keyring::{Content, Key, SSH_KEY, id_of};
use mf2c_domain::testbed::computer::{Deed, ProjectLists};
use mf2c_soap::{Field, ObjectType, Request, Value};
use mf2c_store::StoreError;
use serde_json::{Map, Value as Json};

use super::{description_in, given, list_values, lists_in};
use crate::deter::call::Call;
use crate::deter::documents::Record;
use crate::deter::fault::Fault;
use crate::deter::testbed::Members;

/// The most keys of one answer.
const MOST: u64 = 10_000;

pub(super) static DESCRIPTION: ObjectType = ObjectType {
    name: "KeyDescription",
    fields: &[
        Field::text("description"),
        Field::bytes("keyData"),
        Field::text("name"),
        Field::text("owner"),
        Field::text("projectDelete").many(),
        Field::text("projectModify").many(),
        Field::text("projectRead").many(),
        Field::text("projectUse").many(),
        // What kind of key it is, as OpenSSH says it, and its fingerprint.
        Field::text("fingerprint"),
        Field::text("type"),
    ],
};

/// A key with what the testbed knows of it.
struct Known {
    record: Record,
    key: Key,
    lists: ProjectLists,
}

impl Known {
    fn of(record: Record) -> Option<Self> {
        let bytes = serde_json::to_vec(&record.body).ok()?;
        let key = Key::read(&bytes).filter(|key| matches!(key.content, Content::Ssh { .. }))?;
        let lists = serde_json::from_slice(&bytes).unwrap_or_default();
        Some(Self { record, key, lists })
    }

    /// The public key as a line, and its fingerprint.
    fn public(&self) -> (&str, &str) {
        match &self.key.content {
            Content::Ssh { public_key, fingerprint, .. } => (public_key, fingerprint),
            Content::Login { .. } => ("", ""),
        }
    }

    fn algorithm(&self) -> &str {
        self.public().0.split(' ').next().unwrap_or_default()
    }
}

async fn keys(call: &Call<'_>) -> Result<Vec<Known>, Fault> {
    let found = call.records("credential", Some(format!("type='{SSH_KEY}'")), MOST).await?;
    Ok(found.into_iter().filter_map(Known::of).collect())
}

pub(super) async fn view(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let uid = call.acting(given(request, "uid"))?;
    let (owner, kind) = (given(request, "owner"), given(request, "type"));
    let members = Members::new(call.exchange.api);
    let is_of_kind = |known: &Known| {
        kind.is_none_or(|kind| ["ssh", SSH_KEY, known.algorithm()].iter().any(|own| own.eq_ignore_ascii_case(kind)))
    };
    let wanted = |known: &Known| {
        let may = call.is_admin() || known.key.owner == uid || known.lists.grants(Deed::Read, &uid, &members);
        may && owner.is_none_or(|owner| known.key.owner == owner) && is_of_kind(known)
    };
    let found = keys(call).await?;
    Ok(Value::List(found.iter().filter(|known| wanted(known)).map(description).collect()))
}

fn description(known: &Known) -> Value {
    let (public_key, fingerprint) = known.public();
    let mut members = vec![
        ("description", known.record.body.get("description").and_then(Json::as_str).into()),
        ("fingerprint", fingerprint.into()),
        ("keyData", Value::Bytes(public_key.as_bytes().to_vec())),
        ("name", known.key.name.as_str().into()),
        ("owner", known.key.owner.as_str().into()),
        ("type", known.algorithm().into()),
    ];
    list_values(&known.lists, &mut members);
    Value::Object(&DESCRIPTION, members)
}

/// Adds a public key. Without a name it gets one. An administrator may add one for somebody else.
pub(super) async fn add(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let uid = call.acting(given(request, "uid"))?;
    let owner = call.acting(given(request, "owner").or(Some(&uid)))?;
    let data = request.bytes("keyData").ok_or_else(|| Fault::request("keyData is required"))?;
    let text = std::str::from_utf8(data).map_err(|_| Fault::request("keyData is no public key: expected a text"))?;
    let lists = lists_in(call, request)?;
    let mut about = Map::new();
    if let Some(description) = description_in(request)?.filter(|text| !text.trim().is_empty()) {
        about.insert("description".to_owned(), description.into());
    }
    if let Ok(Json::Object(lists)) = serde_json::to_value(&lists) {
        about.extend(lists);
    }
    let name = given(request, "name").map(str::to_owned);
    let keep = KeepSshKey { by: holder(call, &owner)?, name, public_key: Some(text.to_owned()), about };
    let kept = call.exchange.api.sessions.send(keep).await.map_err(|_| StoreError::Stopping)?;
    let _ = kept.map_err(crate::error::ApiError::from)?;
    Ok(true.into())
}

/// Whose key it will be.
fn holder(call: &Call<'_>, owner: &str) -> Result<Caller, Fault> {
    if call.user()? == owner {
        return Ok(call.exchange.caller.clone());
    }
    let record = call.record("user", owner)?.ok_or_else(|| Fault::request(format!("No such user {owner}")))?;
    let account = serde_json::to_vec(&record.body).ok().and_then(|body| Account::read(&body));
    let account = account.ok_or_else(|| Fault::request(format!("No such user {owner}")))?;
    Ok(Caller::new(owner, account.roles()))
}

/// Removes a key: the user's own, or, where an owner is named, one that he may delete.
pub(super) async fn remove(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let uid = call.acting(given(request, "uid"))?;
    let name = given(request, "name").ok_or_else(|| Fault::request("name is required"))?;
    let owner = given(request, "owner").unwrap_or(&uid);
    let missing = || Fault::request("No such key");
    let id = id_of(owner, name).map_err(|_| missing())?;
    let known = call.record("credential", id.name())?.and_then(Known::of).ok_or_else(missing)?;
    let members = Members::new(call.exchange.api);
    let may = |deed: Deed| known.lists.grants(deed, &uid, &members);
    if !call.is_admin() && known.key.owner != uid && !may(Deed::Delete) {
        return Err(if may(Deed::Read) { Fault::access() } else { missing() });
    }
    call.delete(&id).await?;
    Ok(true.into())
}

/// Takes a project that is about to go out of everything that is said about keys.
pub(in crate::deter) async fn forget(call: &Call<'_>, project: &str) -> Result<(), Fault> {
    for mut known in keys(call).await? {
        if !known.lists.forget(project) {
            continue;
        }
        if let Ok(Json::Object(lists)) = serde_json::to_value(&known.lists) {
            match call.edit(&known.record, lists, Vec::new()).await {
                // Whoever has changed it meanwhile is asked to come again.
                Err(StoreError::NotFound { .. }) | Ok(()) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
