//! `Projects`: users who work together, and what each of them may do.

mod joining;
mod making;
mod members;

use mf2c_domain::people::profile::Attribute;
use mf2c_domain::testbed::pattern::Pattern;
use mf2c_domain::testbed::project::Project;
use mf2c_domain::testbed::rights::Rights;
use mf2c_soap::{Field, Gives, Kind, ObjectType, Operation, Request, Service, Value};

use super::SLASHED;
use super::call::Call;
use super::fault::Fault;
use super::testbed::{
    Held, all, change_profile, edit, outcomes, profile_value, project_id, read, refresh_after, seen_by,
};
use super::types::{ATTRIBUTE, CHANGE_ATTRIBUTE, CHANGE_RESULT, PROFILE};

static MEMBER: ObjectType = ObjectType {
    name: "Member",
    fields: &[
        Field::text("permissions").many(),
        Field::text("uid"),
        // As the first versions of the original have it: flags.
        Field::int("rights"),
        Field::text("userid"),
    ],
};

static PROJECT_DESCRIPTION: ObjectType = ObjectType {
    name: "ProjectDescription",
    fields: &[
        Field::flag("approved"),
        Field::object("members", &MEMBER).many(),
        Field::text("owner"),
        Field::text("projectId"),
        // As the first versions of the original have it.
        Field::text("name"),
        Field::flag("vetting"),
    ],
};

/// What projects say of themselves, and what is asked of those that are to be vetted.
static SCHEMA: [Attribute; 4] = [
    Attribute::required("description", 100, "Description of the project"),
    Attribute::optional("URL", 200, "Project web page"),
    Attribute::optional("affiliation", 300, "Affiliation"),
    Attribute::optional("funders", 400, "Who funds the project"),
];

const UID: Field = Field::text("uid").or(&["userid"]);
const PROJECT: Field = Field::text("projectid").or(&["projectName", "name"]);
const PERMS: Field = Field::text("perms").or(&["permissions"]).many();

pub(super) static SERVICE: Service = Service {
    name: "Projects",
    target_namespace: SLASHED,
    operations: &[
        Operation::reading(
            "viewProjects",
            &[UID, Field::text("regex").or(&["nameRE"]), Field::text("owner")],
            Gives::objects(&PROJECT_DESCRIPTION),
        ),
        Operation::new("addUser", &[UID, PROJECT, Field::text("newUser")], Gives::done()),
        Operation::new(
            "addUsers",
            &[PROJECT, Field::text("uids").many(), PERMS, Field::text("urlPrefix")],
            Gives::objects(&CHANGE_RESULT),
        ),
        Operation::new("addUserConfirm", &[Field::long("challengeId")], Gives::done()),
        Operation::new(
            "addUsersNoConfirm",
            &[PROJECT, Field::text("uids").many(), PERMS],
            Gives::objects(&CHANGE_RESULT),
        ),
        Operation::new("removeUser", &[UID, PROJECT, Field::text("removeUser")], Gives::done()),
        Operation::new("removeUsers", &[PROJECT, Field::text("uids").many()], Gives::objects(&CHANGE_RESULT)),
        Operation::new(
            "changePermissions",
            &[PROJECT, Field::text("uids").many(), PERMS, UID, Field::text("targetUser"), Field::int("rights")],
            Gives::objects(&CHANGE_RESULT),
        ),
        Operation::new("setOwner", &[PROJECT, UID, Field::text("newOwner")], Gives::done()),
        Operation::new("requestJoin", &[UID, PROJECT], Gives::done()),
        Operation::new("joinProject", &[UID, PROJECT, Field::text("urlPrefix")], Gives::done()),
        Operation::new("joinProjectConfirm", &[Field::long("challengeId"), PERMS], Gives::done()),
        Operation::new(
            "createProject",
            &[
                Field::text("projectid"),
                Field::text("owner"),
                Field::object("profile", &ATTRIBUTE).many(),
                UID,
                Field::text("name").or(&["projectName"]),
            ],
            Gives::done(),
        ),
        Operation::new("removeProject", &[PROJECT, UID], Gives::done()),
        Operation::new("approveProject", &[PROJECT, Field::flag("approved")], Gives::done()),
        Operation::reading("getVettingRequirements", &[], Gives::objects(&ATTRIBUTE)),
        Operation::new(
            "createVettingProject",
            &[UID, PROJECT, Field::object("fields", &ATTRIBUTE).many()],
            Gives::done(),
        ),
        Operation::new("makeProjectVetting", &[UID, PROJECT], Gives::done()),
        Operation::reading("getProfileDescription", &[], Gives::object(&PROFILE)),
        Operation::reading("getProjectProfile", &[PROJECT], Gives::object(&PROFILE)),
        Operation::new(
            "changeProjectProfile",
            &[PROJECT, Field::object("changes", &CHANGE_ATTRIBUTE).many()],
            Gives::objects(&CHANGE_RESULT),
        ),
        Operation::reading("getValidPermissions", &[], Gives::many(Kind::Text)),
    ],
};

pub(super) async fn answer(call: &Call<'_>, operation: &str, request: &Request) -> Result<Value, Fault> {
    match operation {
        "viewProjects" => view(call, request).await,
        "addUser" => members::add_at_once(call, request).await,
        "addUsers" => joining::add_users(call, request).await,
        "addUserConfirm" => joining::add_confirm(call, request).await,
        "addUsersNoConfirm" => members::add_unasked(call, request).await,
        "removeUser" => members::remove_one(call, request).await,
        "removeUsers" => members::remove(call, request).await,
        "changePermissions" => members::change(call, request).await,
        "setOwner" => members::set_owner(call, request).await,
        "requestJoin" => joining::join(call, request, false).await,
        "joinProject" => joining::join(call, request, true).await,
        "joinProjectConfirm" => joining::join_confirm(call, request).await,
        "createProject" => making::create(call, request).await,
        "removeProject" => making::remove(call, request).await,
        "approveProject" => making::approve(call, request, request.flag("approved").unwrap_or_default()).await,
        "getVettingRequirements" => Ok(making::requirements()),
        "createVettingProject" => making::ask_for_vetting(call, request).await,
        "makeProjectVetting" => making::approve(call, request, true).await,
        "getProfileDescription" => Ok(profile_value(&SCHEMA, None)),
        "getProjectProfile" => profile(call, request),
        "changeProjectProfile" => changed_profile(call, request).await,
        "getValidPermissions" => Ok(Value::list(Rights::valid())),
        other => Err(Fault::unanswered(other)),
    }
}

/// The name of the project that a request is about.
fn name_in(request: &Request) -> Result<&str, Fault> {
    request.text("projectid").filter(|name| !name.is_empty()).ok_or_else(|| Fault::request("Projectid required"))
}

fn invalid() -> Fault {
    Fault::request("Invalid projectid")
}

/// The project of this name.
fn project_of(call: &Call<'_>, name: &str) -> Result<Project, Fault> {
    let held: Option<Held<Project>> = read(call.exchange.api, &project_id(name))?;
    held.map(|held| held.value).filter(|project| project.project_id == name).ok_or_else(invalid)
}

/// Changes a project by a rule that may refuse it; what the rule gives, and the project as it is then.
async fn changed<R>(
    call: &Call<'_>,
    name: &str,
    rule: impl Fn(&mut Project) -> Result<R, Fault>,
) -> Result<(Project, R), Fault> {
    let api = call.exchange.api;
    let _ = project_of(call, name)?;
    let changed = edit(api, &project_id(name), rule, |project: &Project| seen_by(api, project)).await?;
    changed.ok_or_else(invalid)
}

/// The same, where members come or go: what the project may see follows.
async fn regrouped<R>(
    call: &Call<'_>,
    name: &str,
    rule: impl Fn(&mut Project) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let (_, result) = changed(call, name, rule).await?;
    refresh_after(call.exchange.api, name, false).await?;
    Ok(result)
}

async fn view(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let (user, uid) = (call.user()?, call.named(request, &["uid"]));
    if !call.is_admin() && uid != Some(user) {
        return Err(Fault::access());
    }
    let pattern = request.text("regex").filter(|pattern| !pattern.is_empty()).map(Pattern::anywhere).transpose()?;
    let owner = call.named(request, &["owner"]);
    let held = all::<Project>(call.exchange.api, "project").await?;
    let wanted = |project: &Project| {
        uid.is_none_or(|uid| project.member(uid).is_some())
            && owner.is_none_or(|owner| project.owner == owner)
            && pattern.as_ref().is_none_or(|pattern| pattern.matches(&project.project_id))
    };
    let mut found: Vec<Project> = held.into_iter().map(|held| held.value).filter(wanted).collect();
    found.sort_by(|a, b| a.project_id.cmp(&b.project_id));
    Ok(Value::List(found.iter().map(description).collect()))
}

fn description(project: &Project) -> Value {
    let member = |member: &mf2c_domain::testbed::project::Member| {
        let flags = i32::try_from(member.permissions.flags()).unwrap_or_default();
        let members = vec![
            ("permissions", Value::list(member.permissions.names())),
            ("rights", flags.into()),
            ("uid", member.uid.as_str().into()),
            ("userid", member.uid.as_str().into()),
        ];
        Value::Object(&MEMBER, members)
    };
    let members = vec![
        ("approved", project.approved.into()),
        ("members", Value::List(project.members.iter().map(member).collect())),
        ("name", project.project_id.as_str().into()),
        ("owner", project.owner.as_str().into()),
        ("projectId", project.project_id.as_str().into()),
        ("vetting", project.approved.into()),
    ];
    Value::Object(&PROJECT_DESCRIPTION, members)
}

fn profile(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let user = call.user()?;
    let project = project_of(call, name_in(request)?)?;
    if !call.is_admin() && project.member(user).is_none() {
        return Err(Fault::access());
    }
    Ok(profile_value(&SCHEMA, Some((&project.project_id, &project.profile))))
}

async fn changed_profile(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let user = call.user()?;
    let rule = |project: &mut Project| {
        if !call.is_admin() && project.owner != user {
            return Err(Fault::access());
        }
        change_profile(&SCHEMA, &mut project.profile, request)
    };
    let (_, results) = changed(call, name_in(request)?, rule).await?;
    Ok(outcomes(results))
}
