//! Users are asked whether they want to belong to a project, or ask for it; somebody confirms it by the number of a challenge.

use std::collections::BTreeSet;

use mf2c_domain::testbed::Outcome;
use mf2c_domain::testbed::project::{ChallengeKind, Confirmation, Project};
use mf2c_domain::testbed::rights::{ProjectRight, Rights};
use mf2c_soap::{Request, Value};

use super::members::{no_user, users_in};
use super::{changed, name_in, project_of, regrouped};
use crate::deter::call::Call;
use crate::deter::fault::Fault;
use crate::deter::notifications::{Matter, ask, demand_room, is_open, notify, settle};
use crate::deter::testbed::{all, outcomes};

/// Asks users whether they want to belong to a project. Success means that they were asked.
pub(super) async fn add_users(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let by = call.asker(call.user()?);
    let (name, prefix, now) = (name_in(request)?, call.prefix(request.text("urlPrefix"))?, call.now());
    // The numbers are the same however often the rule is tried.
    let numbers: Vec<i64> = request.texts("uids").map(|_| call.random()).collect();
    let rule = |project: &mut Project| {
        project.demand_approval()?;
        let uids = users_in(request)?;
        let rights = Rights::named(request.texts("perms"))?;
        project.demand_adding(by, &rights)?;
        let (mut asked, mut named) = (Vec::new(), BTreeSet::new());
        for (uid, number) in uids.into_iter().zip(&numbers) {
            let opened = match call.is_user(uid) {
                _ if !named.insert(uid) => Err(format!("Uid {uid} given twice")),
                true => project
                    .challenge(*number, ChallengeKind::Add, uid, rights.clone(), now)
                    .map(|opened| (opened, opened == *number))
                    .map_err(|it| it.to_string()),
                false => Err(no_user(uid)),
            };
            asked.push((uid, opened));
        }
        Ok(asked)
    };
    let (_, asked) = changed(call, name, rule).await?;
    for (uid, opened) in &asked {
        let Ok((number, is_new)) = opened else { continue };
        let about = Matter::Add { project: name, uid };
        // Who has not read yet that he is asked is not told again.
        if !*is_new && is_open(call, &[uid], about)? {
            continue;
        }
        let text = format!(
            "You were provisionally added to project {name}. To confirm it, answer the challenge {prefix}{number}"
        );
        ask(call, &[uid], &text, (by.uid, about)).await?;
    }
    Ok(outcomes(asked.into_iter().map(|(uid, opened)| Outcome { name: uid.to_owned(), reason: opened.err() })))
}

/// The number in a request, and the project where it is open.
async fn found(call: &Call<'_>, request: &Request) -> Result<(i64, String), Fault> {
    let none = || Fault::request("No such challenge outstanding");
    let (number, now) = (request.long("challengeId").ok_or_else(none)?, call.now());
    let projects = all::<Project>(call.exchange.api, "project").await?;
    let found = projects.into_iter().find(|held| held.value.challenge_of(number, now).is_some());
    found.map(|held| (number, held.value.project_id)).ok_or_else(none)
}

/// The user says that he wants to belong to it.
pub(super) async fn add_confirm(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let by = call.asker(call.user()?);
    let (number, name) = found(call, request).await?;
    let rule = |project: &mut Project| Ok(project.confirm(by, number, Confirmation::ByUser, call.now())?);
    let uid = regrouped(call, &name, rule).await?;
    settle(call, Matter::Add { project: &name, uid: &uid }).await?;
    Ok(true.into())
}

/// Somebody wants to belong to a project: who may add users there is told, once, until all have read it. The later generations
/// want the project to be approved of first.
pub(super) async fn join(call: &Call<'_>, request: &Request, is_later: bool) -> Result<Value, Fault> {
    let uid = call.acting(request.text("uid"))?;
    let (name, prefix, now, number) =
        (name_in(request)?, call.prefix(request.text("urlPrefix"))?, call.now(), call.random());
    let rule = |project: &mut Project| {
        if is_later {
            project.demand_approval()?;
        }
        Ok(project.challenge(number, ChallengeKind::Join, &uid, Rights::default(), now)?)
    };
    let mut before = project_of(call, name)?;
    if !call.is_user(&uid) {
        return Err(Fault::request(no_user(&uid)));
    }
    let was_open = before.open_challenge(ChallengeKind::Join, &uid, now).is_some();
    let _ = rule(&mut before)?;
    let about = Matter::Join { project: name, uid: &uid };
    if was_open && is_open(call, &who_adds(&before), about)? {
        return Ok(true.into());
    }
    demand_room(call, &uid).await?;
    let (project, number) = changed(call, name, rule).await?;
    let text =
        format!("{uid} has asked to join your project {name}. To let him in, answer the challenge {prefix}{number}");
    ask(call, &who_adds(&project), &text, (&uid, about)).await?;
    Ok(true.into())
}

/// The members of a project who may add users.
fn who_adds(project: &Project) -> Vec<&str> {
    let may = project.members.iter().filter(|member| project.grants(&member.uid, ProjectRight::AddUser));
    may.map(|member| member.uid.as_str()).collect()
}

/// Who may add users lets in who wants to.
pub(super) async fn join_confirm(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let by = call.asker(call.user()?);
    let (number, name) = found(call, request).await?;
    let rights = Rights::named(request.texts("perms"))?;
    let rule = |project: &mut Project| Ok(project.confirm(by, number, Confirmation::ByMember(&rights), call.now())?);
    let uid = regrouped(call, &name, rule).await?;
    settle(call, Matter::Join { project: &name, uid: &uid }).await?;
    notify(call, &[&uid], &format!("You are a member of project {name} now")).await?;
    Ok(true.into())
}
