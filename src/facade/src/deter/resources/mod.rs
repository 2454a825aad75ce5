//! `Resources`: computers, images and keys.

mod choice;
mod computers;
mod images;
mod keys;

use mf2c_domain::testbed::computer::ProjectLists;
use mf2c_soap::{Field, Gives, Operation, Request, Service, Value};

use super::SLASHED;
use super::call::Call;
use super::fault::Fault;
use super::testbed::Members;
pub(super) use choice::Choice;
pub(super) use keys::forget as forget_in_keys;

const UID: Field = Field::text("uid").or(&["userid"]);
const NAME: Field = Field::text("name");
const OWNER: Field = Field::text("owner");
const TYPE: Field = Field::text("type");
const NAME_RE: Field = Field::text("nameRE").or(&["regex"]);
const DESCRIPTION: Field = Field::text("description");
const PROJECT_DELETE: Field = Field::text("projectDelete").many();
const PROJECT_MODIFY: Field = Field::text("projectModify").many();
const PROJECT_USE: Field = Field::text("projectUse").many();
const PROJECT_READ: Field = Field::text("projectRead").many();
/// The device that a computer is: an extension of the original.
const DEVICE: Field = Field::text("device");

static COMPUTER_TAKES: [Field; 9] =
    [UID, NAME, TYPE, DESCRIPTION, PROJECT_DELETE, PROJECT_MODIFY, PROJECT_USE, PROJECT_READ, DEVICE];

pub(super) static SERVICE: Service = Service {
    name: "Resources",
    target_namespace: SLASHED,
    operations: &[
        Operation::reading("viewComputers", &[UID, OWNER, NAME_RE, TYPE], Gives::objects(&computers::DESCRIPTION)),
        Operation::new("createComputer", &COMPUTER_TAKES, Gives::done()),
        Operation::new("modifyComputer", &COMPUTER_TAKES, Gives::done()),
        Operation::new("removeComputer", &[UID, NAME, TYPE], Gives::done()),
        Operation::reading("viewImages", &[UID, OWNER, NAME_RE], Gives::objects(&images::DESCRIPTION)),
        Operation::new(
            "modifyImage",
            &[
                UID,
                NAME,
                DESCRIPTION,
                Field::text("validIn").many(),
                PROJECT_DELETE,
                PROJECT_MODIFY,
                PROJECT_USE,
                PROJECT_READ,
                OWNER,
            ],
            Gives::done(),
        ),
        Operation::new("removeImage", &[UID, NAME, OWNER], Gives::done()),
        Operation::reading("viewKeys", &[UID, OWNER, TYPE], Gives::objects(&keys::DESCRIPTION)),
        Operation::new(
            "addKey",
            &[
                UID,
                OWNER,
                NAME,
                DESCRIPTION,
                Field::bytes("keyData"),
                PROJECT_DELETE,
                PROJECT_MODIFY,
                PROJECT_USE,
                PROJECT_READ,
            ],
            Gives::done(),
        ),
        Operation::new("removeKey", &[UID, NAME, OWNER], Gives::done()),
    ],
};

pub(super) async fn answer(call: &Call<'_>, operation: &str, request: &Request) -> Result<Value, Fault> {
    match operation {
        "viewComputers" => computers::view(call, request).await,
        "createComputer" => computers::create(call, request).await,
        "modifyComputer" => computers::modify(call, request).await,
        "removeComputer" => computers::remove(call, request).await,
        "viewImages" => images::view(call, request).await,
        "modifyImage" => images::modify(call, request).await,
        "removeImage" => images::remove(call, request).await,
        "viewKeys" => keys::view(call, request).await,
        "addKey" => keys::add(call, request).await,
        "removeKey" => keys::remove(call, request).await,
        other => Err(Fault::unanswered(other)),
    }
}

fn given<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.text(name).filter(|text| !text.is_empty())
}

/// The names of the four lists, in the order of [`ProjectLists::DEEDS`].
const LISTS: [&str; 4] = ["projectDelete", "projectModify", "projectUse", "projectRead"];

/// The lists that a client sends. A list of one empty name is empty, and one that is not there says nothing.
fn lists_in(call: &Call<'_>, request: &Request) -> Result<ProjectLists, Fault> {
    let list = |name: &str| {
        let names = request.texts(name).filter(|project| !project.is_empty()).map(str::to_owned);
        request.has(name).then(|| names.collect::<Vec<_>>())
    };
    let lists = ProjectLists {
        project_delete: list(LISTS[0]),
        project_modify: list(LISTS[1]),
        project_use: list(LISTS[2]),
        project_read: list(LISTS[3]),
    };
    let members = Members::new(call.exchange.api);
    lists.check(|project| members.exists(project))?;
    Ok(lists)
}

/// The lists as clients see them.
fn list_values(lists: &ProjectLists, into: &mut Vec<(&'static str, Value)>) {
    for (name, deed) in LISTS.into_iter().zip(ProjectLists::DEEDS) {
        if let Some(list) = lists.of(deed) {
            into.push((name, Value::list(list.iter().map(String::as_str))));
        }
    }
}

/// The longest description, in bytes.
const LONGEST_DESCRIPTION: usize = 4096;

fn description_in(request: &Request) -> Result<Option<&str>, Fault> {
    let description = request.text("description");
    if description.is_some_and(|text| text.len() > LONGEST_DESCRIPTION) {
        return Err(Fault::request(format!("the description is longer than {LONGEST_DESCRIPTION} bytes")));
    }
    Ok(description)
}
