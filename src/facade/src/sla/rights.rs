//! Who may say what about agreements. Whoever adds a report, an instance or a violation says something about a document of somebody
//! else, which is why the right to add is not enough.

use mf2c_domain::acl::{Acl, Principal};
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::TypeSpec;
use mf2c_store::Document;
use serde_json::{Map, Value};

use crate::cimi::Exchange;
use crate::error::ApiError;

/// What only the agent writes into agreements.
const ASSESSMENT: &str = "assessment";

/// Whether only the agent writes an attribute.
pub(crate) fn is_ours(kind: &str, name: &str) -> bool {
    kind == "agreement" && name == ASSESSMENT
}

/// Takes out what only the agent writes: clients send whole documents back.
pub(crate) fn strip(kind: &str, attributes: &mut Map<String, Value>) {
    if kind == "agreement" {
        attributes.remove(ASSESSMENT);
    }
}

/// Refuses a new document that is about what the caller has no part in, or that is somebody else's from its beginning.
///
/// # Errors
/// 403.
pub(crate) fn check_new(
    exchange: &Exchange<'_>,
    spec: &TypeSpec,
    attributes: &Map<String, Value>,
    acl: Option<&Acl>,
) -> Result<(), ApiError> {
    if exchange.caller.is_admin() {
        return Ok(());
    }
    if let Some(acl) = acl {
        owner(exchange, spec.name, acl, None)?;
    }
    subject(exchange, spec.name, attributes)
}

/// The same for an edit of a document.
///
/// # Errors
/// 403.
pub(crate) fn check_edit(
    exchange: &Exchange<'_>,
    document: &Document,
    changes: &Map<String, Value>,
) -> Result<(), ApiError> {
    if exchange.caller.is_admin() {
        return Ok(());
    }
    let kind = document.id.kind();
    // A list of another shape is refused by the description of the type, in its words.
    let acl = changes.get("acl").and_then(|acl| serde_json::from_value::<Acl>(acl.clone()).ok());
    if let Some(acl) = acl {
        owner(exchange, kind, &acl, Some(&document.acl.owner))?;
    }
    subject(exchange, kind, changes)
}

/// Agreements are found by the names of their owners' instances and services, so none of the three may be made in another's name.
fn owner(exchange: &Exchange<'_>, kind: &str, acl: &Acl, before: Option<&Principal>) -> Result<(), ApiError> {
    let admin = Principal::role("ADMIN");
    let may = match kind {
        "agreement" | "sla-template" => acl.is_owned_by(&exchange.caller),
        "service-instance" | "service" => acl.is_owned_by(&exchange.caller) || acl.owner == admin,
        _ => true,
    };
    if may || before == Some(&acl.owner) {
        return Ok(());
    }
    let name = exchange.caller.identity().unwrap_or_default();
    let why = format!(
        "`acl.owner`: `{}` is somebody else; expected {{\"principal\": \"{name}\", \"type\": \"USER\"}}, or no `acl` at all",
        acl.owner.principal
    );
    Err(ApiError::forbidden(kind).because(&why))
}

/// What the document is about.
fn subject(exchange: &Exchange<'_>, kind: &str, attributes: &Map<String, Value>) -> Result<(), ApiError> {
    match kind {
        "service-operation-report" => {
            // An edit may call it as its sender does.
            let named =
                ["requesting_application_id", "serviceInstance"].into_iter().find_map(|name| attributes.get(name));
            let Some(instance) = about(exchange, "service-instance", named) else { return Ok(()) };
            let may = instance.acl.can_modify(&exchange.caller) || may_modify_its_agreement(exchange, &instance);
            refuse_unless(may, instance.id.as_str(), "reports come from who may change the instance or its agreement")
        }
        "service-instance" => {
            let Some(agreement) = about(exchange, "agreement", attributes.get("agreement")) else { return Ok(()) };
            let may = agreement.acl.can_view(&exchange.caller);
            refuse_unless(may, agreement.id.as_str(), "an instance names an agreement that its maker may see")
        }
        "sla-violation" | "sla-warning" | "sla-penalty" | "sla-episode" => {
            let Some(agreement) = about(exchange, "agreement", attributes.get("agreement_id")) else { return Ok(()) };
            let may = agreement.acl.can_modify(&exchange.caller);
            refuse_unless(
                may,
                agreement.id.as_str(),
                "what became of an agreement is for those to say who may change it",
            )
        }
        _ => Ok(()),
    }
}

fn refuse_unless(may: bool, id: &str, why: &str) -> Result<(), ApiError> {
    if may { Ok(()) } else { Err(ApiError::forbidden(id).because(&why)) }
}

fn may_modify_its_agreement(exchange: &Exchange<'_>, instance: &Document) -> bool {
    let body = exchange.api.store.body(instance).ok().flatten();
    let body = body.and_then(|body| serde_json::from_slice::<Map<String, Value>>(&body).ok()).unwrap_or_default();
    about(exchange, "agreement", body.get("agreement"))
        .is_some_and(|agreement| agreement.acl.can_modify(&exchange.caller))
}

/// The document that an attribute names, by its id, bare or whole, or by a link; none if this agent knows of no such one.
fn about(exchange: &Exchange<'_>, kind: &str, named: Option<&Value>) -> Option<std::sync::Arc<Document>> {
    let text = match named? {
        Value::String(text) => text,
        Value::Object(link) => link.get("href")?.as_str()?,
        _ => return None,
    };
    let id = if text.contains('/') { ResourceId::parse(text).ok()? } else { ResourceId::new(kind, text).ok()? };
    exchange.api.store.get(id.as_str()).filter(|_| id.kind() == kind)
}
