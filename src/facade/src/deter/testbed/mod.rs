//! What the services share that projects, experiments and resources are about: their documents, who belongs to what, and who sees
//! the documents elsewhere.

mod circles;
mod shelf;
mod sight;

use mf2c_domain::people::profile::{self, Attribute, Values};
use mf2c_domain::testbed::{Asker, Outcome, Refusal};
use mf2c_soap::{Request, Value};

use super::call::Call;
use super::fault::Fault;
use super::{types, users};
pub(super) use circles::{Members, project_id};
pub(super) use shelf::{Held, add, all, discard, edit, fetch, picked, picked_by, read};
pub(super) use sight::{refresh_after, refresh_class, seen_by};

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Access => Self::access(),
            Refusal::Request(text) => Self::request(text),
            Refusal::Unimplemented(text) => Self::unimplemented(text),
        }
    }
}

impl Call<'_> {
    /// Who asks, where it is done for `uid`.
    pub(super) fn asker<'a>(&self, uid: &'a str) -> Asker<'a> {
        Asker { uid, admin: self.is_admin() }
    }

    /// Whether there is a user of this name.
    pub(super) fn is_user(&self, uid: &str) -> bool {
        self.exchange.api.store.get(&format!("user/{uid}")).is_some()
    }

    /// The names of the administrators.
    pub(super) async fn administrators(&self) -> Result<Vec<String>, Fault> {
        let filter = "isSuperUser=true and state='ACTIVE'".to_owned();
        let found = self.records("user", Some(filter), 100).await?;
        Ok(found.iter().map(|record| record.id().name().to_owned()).collect())
    }

    /// The project that a request names, in whichever words.
    pub(super) fn named<'r>(&self, request: &'r Request, names: &[&str]) -> Option<&'r str> {
        names.iter().find_map(|name| request.text(name).filter(|text| !text.is_empty()))
    }
}

/// What became of parts of a request.
pub(super) fn outcomes(outcomes: impl IntoIterator<Item = Outcome>) -> Value {
    Value::list(outcomes.into_iter().map(|outcome| types::changed(&outcome.name, outcome.reason)))
}

/// What became of the only part: true, or a fault.
pub(super) fn outcome(outcome: Outcome) -> Result<Value, Fault> {
    match outcome.reason {
        None => Ok(true.into()),
        Some(reason) => Err(Fault::request(reason)),
    }
}

/// What profiles of a kind hold, or what one of them holds.
pub(super) fn profile_value(schema: &[Attribute], of: Option<(&str, &Values)>) -> Value {
    match of {
        Some((id, values)) => users::profile(schema, values, Some(id)),
        None => users::profile(schema, &Values::new(), None),
    }
}

/// A profile that a client sends.
pub(super) fn profile_of(schema: &[Attribute], request: &Request, name: &str) -> Result<Values, Fault> {
    let given: Result<Vec<_>, Fault> =
        request.objects(name).map(|one| Ok((one.text("name"), users::sent(one)?))).collect();
    let given = given?;
    let given = given.iter().map(|(name, value)| (*name, value.as_deref()));
    profile::filled(schema, given).map_err(Fault::request)
}

/// Changes a profile as a client wants it, one attribute after the other.
pub(super) fn change_profile(
    schema: &[Attribute],
    values: &mut Values,
    request: &Request,
) -> Result<Vec<Outcome>, Fault> {
    let mut outcomes = Vec::new();
    for change in request.objects("changes") {
        let (name, value) = (change.text("name").unwrap_or_default(), users::sent(change)?);
        let asked = (name, value.as_deref(), change.flag("delete").unwrap_or_default());
        outcomes.push(match profile::change(schema, values, asked) {
            Ok(()) => Outcome::done(name),
            Err(reason) => Outcome::failed(name, reason),
        });
    }
    Ok(outcomes)
}
