//! `Users`: signing in, passwords, profiles, notifications and new accounts.

mod accounts;
mod challenges;
mod identity;
mod login;
mod passwords;
mod profiles;

use mf2c_soap::{Field, Gives, Kind, ObjectType, Operation, Request, Service, Value};

use super::SLASHED;
use super::call::Call;
use super::fault::Fault;
use super::notifications::{self, USER_NOTIFICATION};
pub(super) use challenges::Challenges;
pub(super) use identity::KeyMaker;
pub use identity::{MadeKey, MakeKey};
#[expect(unused_imports, reason = "for profiles of other kinds")]
pub(super) use profiles::{profile, sent};

use super::types::{ATTRIBUTE, CHANGE_ATTRIBUTE, CHANGE_RESULT, PROFILE};

static USER_CHALLENGE: ObjectType = ObjectType {
    name: "UserChallenge",
    fields: &[
        Field::long("challengeID"),
        Field::bytes("data"),
        Field::text("type"),
        Field::text("validity"),
        // The first versions of the original told the seconds instead of the end.
        Field::int("validitySeconds"),
    ],
};

static CREATE_USER_RESULT: ObjectType =
    ObjectType { name: "CreateUserResult", fields: &[Field::bytes("identity"), Field::text("uid")] };

const UID: Field = Field::text("uid").or(&["userid"]);

pub(super) static SERVICE: Service = Service {
    name: "Users",
    target_namespace: SLASHED,
    operations: &[
        Operation::new("requestChallenge", &[UID, Field::text("types").many()], Gives::object(&USER_CHALLENGE)),
        Operation::new(
            "challengeResponse",
            &[Field::bytes("responseData"), Field::long("challengeID")],
            Gives::one(Kind::Bytes),
        ),
        Operation::new("logout", &[], Gives::done()),
        Operation::new("changePassword", &[UID, Field::text("newPass")], Gives::done()),
        Operation::new("requestPasswordReset", &[UID, Field::text("urlPrefix")], Gives::done()),
        Operation::new("changePasswordChallenge", &[Field::long("challengeID"), Field::text("newPass")], Gives::done()),
        Operation::reading("getProfileDescription", &[], Gives::object(&PROFILE)),
        Operation::reading("getUserProfile", &[UID], Gives::object(&PROFILE)),
        Operation::new(
            "changeUserProfile",
            &[UID, Field::object("changes", &CHANGE_ATTRIBUTE).many()],
            Gives::objects(&CHANGE_RESULT),
        ),
        Operation::reading("getNotifications", &notifications::FILTER, Gives::objects(&USER_NOTIFICATION)),
        Operation::new(
            "markNotificationsRead",
            &[UID, Field::long("notifications").or(&["ids"]).many()],
            Gives::done(),
        ),
        Operation::new(
            "markNotifications",
            &[
                UID,
                Field::long("ids").or(&["notifications"]).many(),
                Field::object("flags", &notifications::NOTIFICATION_FLAG).many(),
            ],
            Gives::done(),
        ),
        Operation::new(
            "sendNotification",
            &[
                Field::text("users").or(&["uids"]).many(),
                Field::object("flags", &notifications::NOTIFICATION_FLAG).many(),
                Field::text("text").or(&["body"]),
            ],
            Gives::done(),
        ),
        Operation::new(
            "createUser",
            &[UID, Field::object("profile", &ATTRIBUTE).many(), Field::text("urlPrefix")],
            Gives::object(&CREATE_USER_RESULT),
        ),
        Operation::new(
            "createUserNoConfirm",
            &[
                UID,
                Field::object("profile", &ATTRIBUTE).many(),
                Field::text("clearpassword"),
                Field::text("hash"),
                Field::text("hashtype"),
            ],
            Gives::one(Kind::Text),
        ),
        Operation::new("removeUser", &[UID], Gives::done()),
    ],
};

pub(super) async fn answer(call: &Call<'_>, operation: &str, request: &Request) -> Result<Value, Fault> {
    match operation {
        "requestChallenge" => login::request_challenge(call, request),
        "challengeResponse" => login::answer_challenge(call, request).await,
        "logout" => login::logout(call).await,
        "changePassword" => passwords::change(call, request).await,
        "requestPasswordReset" => passwords::request_reset(call, request).await,
        "changePasswordChallenge" => passwords::change_by_challenge(call, request).await,
        "getProfileDescription" => Ok(profiles::description()),
        "getUserProfile" => profiles::get(call, request),
        "changeUserProfile" => profiles::change(call, request).await,
        "getNotifications" => notifications::get(call, request).await,
        "markNotificationsRead" => notifications::mark_read(call, request).await,
        "markNotifications" => notifications::mark(call, request).await,
        "sendNotification" => notifications::send(call, request).await,
        "createUser" => accounts::create(call, request).await,
        "createUserNoConfirm" => accounts::create_at_once(call, request).await,
        "removeUser" => accounts::remove(call, request).await,
        other => Err(Fault::unanswered(other)),
    }
}
