//! Members come at once or go, and get other rights.

use mf2c_domain::testbed::Outcome;
use mf2c_domain::testbed::project::Project;
use mf2c_domain::testbed::rights::{ProjectRight, Rights};
use mf2c_soap::{Request, Value};

use super::{name_in, regrouped};
use crate::deter::call::Call;
use crate::deter::fault::Fault;
use crate::deter::testbed::{outcome, outcomes};

/// The most users of one request.
const MOST_USERS: usize = 100;

/// The users that a request is about.
pub(super) fn users_in(request: &Request) -> Result<Vec<&str>, Fault> {
    let uids: Vec<&str> = request.texts("uids").filter(|uid| !uid.is_empty()).collect();
    match uids.len() {
        0 => Err(Fault::request("Missing uids")),
        count if count > MOST_USERS => Err(Fault::request(format!("at most {MOST_USERS} uids are accepted"))),
        _ => Ok(uids),
    }
}

/// The user that a request of the first generation is about.
fn user_in<'r>(request: &'r Request, name: &str) -> Result<&'r str, Fault> {
    request.text(name).filter(|uid| !uid.is_empty()).ok_or_else(|| Fault::request(format!("{name} is required")))
}

pub(super) fn no_user(uid: &str) -> String {
    format!("No such user {uid}")
}

/// A member of the first generation comes at once, and may do nothing yet.
pub(super) async fn add_at_once(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let (by, new) = (call.acting(request.text("uid"))?, user_in(request, "newUser")?);
    let by = call.asker(&by);
    let rule = |project: &mut Project| {
        project.demand(by, &[ProjectRight::AddUser])?;
        if !call.is_user(new) {
            return Err(Fault::request(no_user(new)));
        }
        Ok(project.add(new, Rights::default()))
    };
    outcome(regrouped(call, name_in(request)?, rule).await?)
}

/// Administrators add users without asking them.
pub(super) async fn add_unasked(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let _ = call.user()?;
    let name = name_in(request)?;
    let rule = |project: &mut Project| {
        project.demand_approval()?;
        let uids = users_in(request)?;
        let rights = Rights::named(request.texts("perms"))?;
        if !call.is_admin() {
            return Err(Fault::access());
        }
        let added = uids.into_iter().map(|uid| match call.is_user(uid) {
            true => project.add(uid, rights.clone()),
            false => Outcome::failed(uid, no_user(uid)),
        });
        Ok(added.collect::<Vec<_>>())
    };
    Ok(outcomes(regrouped(call, name, rule).await?))
}

pub(super) async fn remove_one(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let (by, gone) = (call.acting(request.text("uid"))?, user_in(request, "removeUser")?);
    let by = call.asker(&by);
    let rule = |project: &mut Project| {
        project.demand(by, &[ProjectRight::RemoveUser])?;
        Ok(project.remove(gone))
    };
    outcome(regrouped(call, name_in(request)?, rule).await?)
}

pub(super) async fn remove(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let by = call.asker(call.user()?);
    let rule = |project: &mut Project| {
        project.demand_approval()?;
        let uids = users_in(request)?;
        project.demand(by, &[ProjectRight::RemoveUser])?;
        Ok(uids.into_iter().map(|uid| project.remove(uid)).collect::<Vec<_>>())
    };
    Ok(outcomes(regrouped(call, name_in(request)?, rule).await?))
}

/// Changes what members may do: by flags, as the first generation has it, or by words.
pub(super) async fn change(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    const NEEDED: [ProjectRight; 2] = [ProjectRight::AddUser, ProjectRight::RemoveUser];
    let name = name_in(request)?;
    if let Some(target) = request.text("targetUser").filter(|uid| !uid.is_empty()) {
        let by = call.acting(request.text("uid"))?;
        let by = call.asker(&by);
        let flags = request.int("rights").ok_or_else(|| Fault::request("rights is required"))?;
        let rule = |project: &mut Project| {
            project.demand(by, &NEEDED)?;
            let held = project.member(target).map(|member| member.permissions.clone()).unwrap_or_default();
            let rights = held.with_flags(flags.into())?;
            Ok(project.change(target, |_| rights))
        };
        let result = regrouped(call, name, rule).await?;
        return match &result.reason {
            None => Ok(outcomes([result])),
            Some(reason) => Err(Fault::request(reason.as_str())),
        };
    }
    let by = call.asker(call.user()?);
    let rule = |project: &mut Project| {
        project.demand_approval()?;
        let uids = users_in(request)?;
        let rights = Rights::named(request.texts("perms"))?;
        project.demand(by, &NEEDED)?;
        Ok(uids.into_iter().map(|uid| project.change(uid, |_| rights.clone())).collect::<Vec<_>>())
    };
    Ok(outcomes(regrouped(call, name, rule).await?))
}

/// Gives a project away. In the first generation `uid` asks and `newOwner` gets it; later, `uid` gets it.
pub(super) async fn set_owner(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let given = |name: &str| request.text(name).filter(|uid| !uid.is_empty());
    let (by, new) = match given("newOwner") {
        Some(new) => (call.acting(given("uid"))?, new),
        None => (call.user()?.to_owned(), given("uid").ok_or_else(|| Fault::request("owner is required"))?),
    };
    let by = call.asker(&by);
    let rule = |project: &mut Project| {
        let mut after = project.clone();
        after.give_to(by, new)?;
        if !call.account(new).is_some_and(|account| account.may_sign_in()) {
            return Err(Fault::request(no_user(new)));
        }
        *project = after;
        Ok(())
    };
    let name = name_in(request)?;
    // What somebody gives away goes on counting as his: nobody fills another's room.
    if by.admin {
        super::making::demand_room(call, new).await?;
    }
    regrouped(call, name, rule).await?;
    Ok(true.into())
}
