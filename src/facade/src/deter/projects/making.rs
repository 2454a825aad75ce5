//! Projects are made, approved of and removed.

use mf2c_domain::people::profile::Values;
use mf2c_domain::testbed::project::{self, Project};
use mf2c_soap::{Request, Value};
use mf2c_store::StoreError;

use super::{SCHEMA, changed, name_in, project_of};
use crate::deter::call::Call;
use crate::deter::fault::Fault;
use crate::deter::notifications::{Matter, ask, demand_room as demand_request, is_open, notify};
use crate::deter::testbed::{self, discard, profile_of, project_id, refresh_after, seen_by};
use crate::deter::users;

/// The most projects that this agent keeps, and that one user owns.
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 100;

/// Makes a project: of a name by its user in the first generation, and with an owner and a profile in the later ones, where
/// administrators are told that it waits for them.
pub(super) async fn create(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let given = |name: &str| request.text(name).filter(|text| !text.is_empty());
    let (name, owner, profile) = match given("projectid") {
        Some(name) => {
            let _ = call.user()?;
            let owner = given("owner").or_else(|| given("uid")).ok_or_else(|| Fault::request("owner is required"))?;
            (name, call.acting(Some(owner))?, Some(profile_of(&SCHEMA, request, "profile")?))
        }
        None => {
            let name = given("name").ok_or_else(|| Fault::request("projectid is required"));
            let owner = call.acting(given("uid"))?;
            (name?, owner, None)
        }
    };
    project::check_name(name)?;
    if !call.is_user(&owner) {
        return Err(Fault::request(super::members::no_user(&owner)));
    }
    let waits = profile.is_some();
    store(call, name, &owner, profile.unwrap_or_default()).await?;
    if waits {
        let text = format!("{owner} has made the project {name}, which waits for approval");
        let administrators = call.administrators().await?;
        ask(call, &names(&administrators), &text, (&owner, Matter::Approve { project: name, uid: &owner })).await?;
    }
    Ok(true.into())
}

fn conflict(name: &str) -> Fault {
    Fault::request(format!("Project name conflict on {name}"))
}

async fn store(call: &Call<'_>, name: &str, owner: &str, profile: Values) -> Result<(), Fault> {
    let api = call.exchange.api;
    // A user has a circle and a scope of his own under his name: whoever owned a project of that name would have them.
    if api.store.get(&project_id(name)).is_some() || call.is_user(name) {
        return Err(conflict(name));
    }
    demand_room(call, owner).await?;
    let new = Project::new(name, owner, profile);
    let local = mf2c_domain::testbed::names::local_name(name);
    match testbed::add(api, "project", &local, &new, seen_by(api, &new)).await {
        Ok(_) => Ok(()),
        Err(StoreError::Conflict { .. }) => Err(conflict(name)),
        Err(error) => Err(error.into()),
    }
}

/// Whether somebody may own one project more.
pub(super) async fn demand_room(call: &Call<'_>, owner: &str) -> Result<(), Fault> {
    let projects = testbed::all::<Project>(call.exchange.api, "project").await?;
    let own = projects.iter().filter(|held| held.value.room_of() == owner).count();
    if projects.len() < MOST && own < MOST_OF_ONE {
        return Ok(());
    }
    let text = format!("there are too many projects: {MOST} in all and {MOST_OF_ONE} of one owner are accepted");
    Err(Fault::request(text))
}

fn names(users: &[String]) -> Vec<&str> {
    users.iter().map(String::as_str).collect()
}

/// Removes a project, and takes it out of everything that names it first.
pub(super) async fn remove(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let by = call.acting(request.text("uid"))?;
    let name = name_in(request)?;
    project_of(call, name)?.demand_removal(call.asker(&by))?;
    refresh_after(call.exchange.api, name, true).await?;
    crate::deter::resources::forget_in_keys(call, name).await?;
    discard(call.exchange.api, &project_id(name)).await?;
    Ok(true.into())
}

/// Administrators approve of a project, or not any more; its owner is told.
pub(super) async fn approve(call: &Call<'_>, request: &Request, approved: bool) -> Result<Value, Fault> {
    let by = call.acting(request.text("uid"))?;
    let name = name_in(request)?;
    let rule = |project: &mut Project| Ok(project.approve(call.asker(&by), approved)?);
    let (project, ()) = changed(call, name, rule).await?;
    let text = if approved { "is approved of" } else { "is not approved of" };
    notify(call, &[&project.owner], &format!("Your project {name} {text}")).await?;
    Ok(true.into())
}

/// What administrators want to know of a project before they vet it.
pub(super) fn requirements() -> Value {
    Value::list(SCHEMA.iter().map(|attribute| users::attribute_value(attribute, None)))
}

/// Asks administrators for a project that they vouch for, once, until all have read it. They make it, and give it to the user.
pub(super) async fn ask_for_vetting(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let uid = call.acting(request.text("uid"))?;
    let name = name_in(request)?;
    project::check_name(name)?;
    let fields = profile_of(&SCHEMA, request, "fields")?;
    if !call.is_user(&uid) {
        return Err(Fault::request(super::members::no_user(&uid)));
    }
    if call.exchange.api.store.get(&project_id(name)).is_some() {
        return Err(conflict(name));
    }
    let said: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let text = format!("{uid} asks for the vetting project {name}. {}", said.join("; "));
    let (administrators, about) = (call.administrators().await?, Matter::Vet { project: name, uid: &uid });
    if is_open(call, &names(&administrators), about)? {
        return Ok(true.into());
    }
    demand_request(call, &uid).await?;
    ask(call, &names(&administrators), &text, (&uid, about)).await?;
    Ok(true.into())
}
