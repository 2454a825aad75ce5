//! `ApiInfo`: the version, whose key the client has shown, and an echo.

use mf2c_soap::{Field, Gives, Kind, ObjectType, Operation, Request, Service, Value};

use super::UNSLASHED;
use super::call::Call;
use super::fault::Fault;

/// The version of the services, as the original's that were recorded say it.
const VERSION: &str = "0.2";
const PATCH_LEVEL: &str = "0.0";

static VERSION_RESPONSE: ObjectType = ObjectType {
    name: "ApiInfo_VersionResponse",
    fields: &[Field::text("keyID"), Field::text("patchLevel"), Field::text("version")],
};

pub(super) static SERVICE: Service = Service {
    name: "ApiInfo",
    target_namespace: UNSLASHED,
    operations: &[
        Operation::reading("getVersion", &[], Gives::object(&VERSION_RESPONSE)),
        Operation::reading("echo", &[Field::text("param")], Gives::one(Kind::Text)),
        Operation::reading("getServerCertificate", &[], Gives::one(Kind::Text)),
    ],
};

pub(super) async fn answer(call: &Call<'_>, operation: &str, request: &Request) -> Result<Value, Fault> {
    match operation {
        "getVersion" => Ok(version(call)),
        "echo" => Ok(request.text("param").into()),
        "getServerCertificate" => match (call.door.roots)() {
            Some(roots) => Ok(roots.into()),
            None => {
                Err(Fault::unimplemented("this agent belongs to no area, and shows a certificate of its own making"))
            }
        },
        other => Err(Fault::unanswered(other)),
    }
}

fn version(call: &Call<'_>) -> Value {
    let members = vec![("keyID", call.key().into()), ("patchLevel", PATCH_LEVEL.into()), ("version", VERSION.into())];
    Value::Object(&VERSION_RESPONSE, members)
}
