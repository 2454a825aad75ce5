//! What users say of themselves. The address is the account's own; what an account says besides stands in for what its
//! profile lacks.

use mf2c_domain::people::profile::{self, Attribute, EMAIL, USER, Values};
use mf2c_domain::resource::types::people::testbed_profile::{SPEC, acl_of, name_of, values_of};
use mf2c_soap::{Request, Value};
use mf2c_store::StoreError;
use serde_json::{Map, Value as Json, json};

use super::super::call::Call;
use super::super::documents::Record;
use super::super::fault::Fault;
use super::super::types::{ATTRIBUTE, PROFILE, changed, shown};

/// The longest list of changes.
const MOST_CHANGES: usize = 100;

pub(super) fn description() -> Value {
    profile(&USER, &Values::new(), None)
}

/// A profile with all attributes that it may have, in their order.
pub(in crate::deter) fn profile(schema: &[Attribute], values: &Values, id: Option<&str>) -> Value {
    let mut schema: Vec<&Attribute> = schema.iter().collect();
    schema.sort_by_key(|attribute| attribute.order);
    let value = |name: &str| values.get(name).map(String::as_str);
    let attributes = schema.into_iter().map(|attribute| attribute_value(attribute, value(attribute.name)));
    Value::Object(&PROFILE, vec![("attributes", Value::list(attributes)), ("id", id.into())])
}

/// An attribute with its value, if it has one.
pub(in crate::deter) fn attribute_value(attribute: &Attribute, value: Option<&str>) -> Value {
    let format = attribute.format;
    let members = vec![
        ("access", attribute.access.word().into()),
        ("dataType", "string".into()),
        ("description", attribute.description.into()),
        ("format", format.map(|format| format.pattern).into()),
        ("formatDescription", format.map(|format| format.expected).into()),
        ("lengthHint", attribute.length.unwrap_or_default().into()),
        ("name", attribute.name.into()),
        ("optional", attribute.optional.into()),
        ("orderingHint", attribute.order.into()),
        ("removable", attribute.optional.into()),
        ("value", value.into()),
    ];
    Value::Object(&ATTRIBUTE, members)
}

pub(super) fn get(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let user = call.acting_at_all(request.text("uid"))?;
    let (values, _) = read(call, &user)?;
    Ok(profile(&USER, &values, Some(&user)))
}

/// What is known of a user, and the document that says it.
fn read(call: &Call<'_>, user: &str) -> Result<(Values, Option<Record>), Fault> {
    let account = call.record("user", user)?;
    let account = account.ok_or_else(|| Fault::request(format!("No profile for id {}", shown(user))))?;
    let stored = call.record(SPEC.name, &name_of(user))?;
    let mut values = stored.as_ref().map(|record| values_of(&record.body)).unwrap_or_default();
    let whole = format!("{} {}", account.text("firstName"), account.text("lastName"));
    for (name, value) in [("name", whole.trim()), ("affiliation", account.text("organization"))] {
        if !value.is_empty() {
            values.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    values.insert(EMAIL.to_owned(), account.text("emailAddress").to_owned());
    Ok((values, stored))
}

/// Changes attributes one by one, and tells of each what became of it.
pub(super) async fn change(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let user = call.acting_at_all(request.text("uid"))?;
    let (mut values, stored) = read(call, &user)?;
    let changes: Vec<&Request> = request.objects("changes").collect();
    if changes.len() > MOST_CHANGES {
        return Err(Fault::request(format!("too many changes: at most {MOST_CHANGES} are made at a time")));
    }
    let before = values.clone();
    let mut results = Vec::with_capacity(changes.len());
    for change in changes {
        let name = change.text("name").unwrap_or_default();
        let wanted = (name, sent(change)?, change.flag("delete").unwrap_or_default());
        let outcome = profile::change(&USER, &mut values, (wanted.0, wanted.1.as_deref(), wanted.2));
        results.push(changed(name, outcome.err()));
    }
    if values != before {
        store(call, &user, &values, stored.as_ref()).await?;
    }
    Ok(Value::List(results))
}

/// The value that was sent: as a text, or as bytes that are one.
pub(in crate::deter) fn sent(attribute: &Request) -> Result<Option<String>, Fault> {
    if let Some(text) = attribute.text("value") {
        return Ok(Some(text.to_owned()));
    }
    let Some(bytes) = attribute.bytes("binaryValue") else { return Ok(None) };
    let text = String::from_utf8(bytes.to_vec());
    text.map(Some).map_err(|_| Fault::request("binaryValue is no text, and no attribute of a profile is anything else"))
}

/// Keeps a profile.
pub(super) async fn store(
    call: &Call<'_>,
    user: &str,
    values: &Values,
    before: Option<&Record>,
) -> Result<(), StoreError> {
    let kept: Map<String, Json> = values
        .iter()
        .filter(|(name, _)| *name != EMAIL)
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    let attributes = json!({ "user": user, "values": kept }).as_object().cloned().unwrap_or_default();
    match before {
        Some(before) => call.edit(before, attributes, vec![]).await,
        None => call.add(SPEC.name, &name_of(user), attributes, acl_of(user)).await,
    }
}
