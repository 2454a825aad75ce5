//! What people call services, instances and devices: ids, the beginnings of ids, and names.

use std::collections::BTreeSet;

use mf2c_domain::resource::TypeSpec;
use mf2c_domain::resource::types::{device, service, service_instance};
use serde_json::Value;

use crate::ClientError;
use crate::commands::resources::all;
use crate::output::clean;
use crate::session::Session;
use crate::terminal::note;

/// The shortest beginning of an id that is taken for one.
const SHORTEST: usize = 4;
/// So many digits of an id are shown, if that is enough to tell it from others.
const SHOWN: usize = 8;
/// So many are named of those that may be meant.
const NAMED: usize = 10;

/// Text as it stands in a filter.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The name of a resource: its id without the type.
pub(super) fn name_of(id: &str) -> &str {
    id.split_once('/').map_or(id, |(_, name)| name)
}

/// An attribute that is a text or a link.
pub(super) fn text<'d>(document: &'d Value, name: &str) -> &'d str {
    let value = document.get(name);
    let value = value.and_then(|value| value.get("href")).or(value);
    value.and_then(Value::as_str).unwrap_or_default()
}

/// The id, if the text is one of this type or its name alone: 36 digits and dashes.
fn whole(text: &str, spec: &TypeSpec) -> Option<String> {
    if let Some(name) = text.strip_prefix(spec.name).and_then(|rest| rest.strip_prefix('/')) {
        let is_name = !name.is_empty() && !name.contains('/');
        return is_name.then(|| text.to_owned());
    }
    let is_uuid = text.len() == 36 && is_beginning(text) && text.matches('-').count() == 4;
    is_uuid.then(|| format!("{}/{text}", spec.name))
}

/// Whether the text may be the beginning of an id's name.
fn is_beginning(text: &str) -> bool {
    text.len() >= SHORTEST && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f' | '-'))
}

/// How much of its name an id needs to be told from the others.
pub(super) fn short<'i>(id: &'i str, others: &[&str]) -> &'i str {
    let name = name_of(id);
    let is_own = |length: usize| {
        let beginning = name.get(..length);
        beginning.is_none_or(|beginning| {
            others.iter().filter(|other| **other != id).all(|other| !name_of(other).starts_with(beginning))
        })
    };
    let length = (SHOWN..name.len()).find(|length| is_own(*length)).unwrap_or(name.len());
    name.get(..length).unwrap_or(name)
}

/// The services of a name; the newest last.
async fn services(session: &Session<'_>, name: &str) -> Result<Vec<Value>, ClientError> {
    let mut found = all(session, &service::SPEC, Some(&format!("name={}", quoted(name))), None).await?;
    found.sort_by(|one, other| text(one, "created").cmp(text(other, "created")));
    Ok(found)
}

fn owner(document: &Value) -> &str {
    document.pointer("/acl/owner/principal").and_then(Value::as_str).unwrap_or_default()
}

/// The id of the service that is meant.
pub(super) async fn service(session: &Session<'_>, said: &str) -> Result<String, ClientError> {
    if let Some(id) = whole(said, &service::SPEC) {
        return Ok(id);
    }
    let (id, told) = chosen(&services(session, said).await?, said)?;
    told.iter().for_each(|told| note(told));
    Ok(id)
}

/// The newest of services of one name, and what is said of that; the services of several people are not taken for one another.
fn chosen(found: &[Value], said: &str) -> Result<(String, Option<String>), ClientError> {
    let Some(newest) = found.last() else {
        let message =
            format!("there is no service `{}` that you may see: `mf2c service list` shows those", clean(said));
        return Err(ClientError::Unknown(message));
    };
    let owners: BTreeSet<&str> = found.iter().map(owner).collect();
    if owners.len() > 1 {
        let each = found.iter().map(|it| format!("{} of {}", clean(text(it, "id")), clean(owner(it))));
        let message = format!("several services are called `{}`: say which by its id: {}", clean(said), few(each));
        return Err(ClientError::Usage(message));
    }
    let id = text(newest, "id").to_owned();
    let told = (found.len() > 1)
        .then(|| format!("{} services are called `{}`: taking the newest, {}", found.len(), clean(said), clean(&id)));
    Ok((id, told))
}

/// The id of the one service of a name that the caller may change.
pub(super) async fn own_service(session: &Session<'_>, name: &str) -> Result<Option<String>, ClientError> {
    let found = services(session, name).await?;
    let may = |it: &&Value| {
        let operations = it.get("operations").and_then(Value::as_array);
        operations.into_iter().flatten().any(|operation| operation.get("rel").and_then(Value::as_str) == Some("edit"))
    };
    let own: Vec<&Value> = found.iter().filter(may).collect();
    match own.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(text(one, "id").to_owned())),
        many => {
            let ids = few(many.iter().map(|it| clean(text(it, "id"))));
            let name = clean(name);
            let message = format!("several services are called `{name}`: change one of them with `mf2c edit`: {ids}");
            Err(ClientError::Usage(message))
        }
    }
}

/// The first of many.
fn few(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    let shown = items.get(..NAMED).unwrap_or(&items).join(", ");
    if items.len() > NAMED { format!("{shown} and {} more", items.len() - NAMED) } else { shown }
}

/// The id of the instance that is meant.
pub(super) async fn instance(session: &Session<'_>, said: &str) -> Result<String, ClientError> {
    let spec = &service_instance::SPEC;
    // The beginning of an id may have its type before it.
    let name = said.strip_prefix(spec.name).and_then(|rest| rest.strip_prefix('/'));
    let said = name.filter(|name| is_beginning(name) && name.len() < 36).unwrap_or(said);
    if let Some(id) = whole(said, spec) {
        return Ok(id);
    }
    let select = Some("id,name,status,created");
    if is_beginning(said) {
        let begins = format!("id^={}", quoted(&format!("{}/{said}", spec.name)));
        let found = all(session, spec, Some(&begins), select).await?;
        if !found.is_empty() {
            return the_one(&found, said, "instance");
        }
    }
    let found = all(session, spec, Some(&format!("name={}", quoted(said))), select).await?;
    if !found.is_empty() {
        return the_one(&found, said, "instance");
    }
    let services = services(session, said).await?;
    if services.is_empty() {
        let message = format!("there is no instance `{}` that you may see: `mf2c ps --all` shows those", clean(said));
        return Err(ClientError::Unknown(message));
    }
    let of_these = services.iter().map(|it| format!("service={}", quoted(text(it, "id"))));
    let of_these = of_these.collect::<Vec<_>>().join(" or ");
    let found = all(session, spec, Some(&of_these), select).await?;
    if found.is_empty() {
        let said = clean(said);
        return Err(ClientError::Unknown(format!(
            "no instance of `{said}` is there: start one with `mf2c run {said}`"
        )));
    }
    the_one(&found, said, "instance")
}

/// The one that is meant.
fn the_one(found: &[Value], said: &str, what: &str) -> Result<String, ClientError> {
    match found {
        [one] => Ok(text(one, "id").to_owned()),
        many => {
            let each = many.iter().map(|it| match text(it, "status") {
                "" => clean(text(it, "id")),
                status => format!("{} ({})", clean(text(it, "id")), clean(status)),
            });
            let message = format!("`{}` may be more than one {what}: say which: {}", clean(said), few(each));
            Err(ClientError::Usage(message))
        }
    }
}

/// The id of the device that is meant.
pub(super) async fn device(session: &Session<'_>, said: &str) -> Result<String, ClientError> {
    let spec = &device::SPEC;
    if let Some(id) = whole(said, spec) {
        return Ok(id);
    }
    let begins = is_beginning(said).then(|| format!("id^={}", quoted(&format!("{}/{said}", spec.name))));
    let filter =
        [begins, Some(format!("name={}", quoted(said)))].into_iter().flatten().collect::<Vec<_>>().join(" or ");
    let found = all(session, spec, Some(&filter), Some("id,name")).await?;
    if found.is_empty() {
        let message = format!("there is no device `{}` that you may see: `mf2c query device` shows those", clean(said));
        return Err(ClientError::Unknown(message));
    }
    the_one(&found, said, "device")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::exit;

    const ID: &str = "5f0c2a91-1111-4222-8333-444455556666";

    #[test]
    fn an_id_may_stand_without_its_type_and_anything_shorter_is_looked_for() {
        let spec = &service_instance::SPEC;
        assert_eq!(whole(ID, spec), Some(format!("service-instance/{ID}")));
        assert_eq!(whole("service-instance/x", spec).as_deref(), Some("service-instance/x"));
        for text in ["5f0c", "service/x", "service-instance/", "service-instance/a/b", "hello"] {
            assert_eq!(whole(text, spec), None, "{text}");
        }
        assert!(is_beginning("5f0c") && is_beginning("5f0c2a91-1"));
        assert!(!is_beginning("5f0") && !is_beginning("hello") && !is_beginning("5F0C"));
    }

    #[test]
    fn as_much_of_an_id_is_shown_as_tells_it_from_the_others() {
        let other = "service-instance/5f0c2a91-1112-4222-8333-444455556666";
        let id = format!("service-instance/{ID}");
        assert_eq!(short(&id, &[&id, "service-instance/77fe0000"]), "5f0c2a91");
        assert_eq!(short(&id, &[&id, other]), "5f0c2a91-1111");
        assert_eq!(short("service-instance/abc", &[]), "abc");
    }

    #[test]
    fn of_several_services_of_one_owner_the_newest_is_taken_and_that_is_said() {
        let of = |id: &str, owner: &str| json!({"id": id, "acl": {"owner": {"principal": owner}}});
        let (id, told) = chosen(&[of("service/1", "jane"), of("service/2", "jane")], "web").unwrap();
        assert_eq!(
            (id.as_str(), told.unwrap().as_str()),
            ("service/2", "2 services are called `web`: taking the newest, service/2",)
        );
        assert_eq!(chosen(&[of("service/1", "jane")], "web").unwrap(), ("service/1".to_owned(), None));
        let error = chosen(&[of("service/1", "jane"), of("service/2", "joe")], "web").unwrap_err();
        assert_eq!(error.code(), exit::USAGE);
        assert!(error.to_string().ends_with("by its id: service/1 of jane, service/2 of joe"), "{error}");
        let error = chosen(&[], "w\u{1b}eb").unwrap_err();
        assert_eq!(error.code(), exit::NOT_FOUND);
        assert!(error.to_string().starts_with("there is no service `w\\u{1b}eb` that you may see"), "{error}");
    }

    #[test]
    fn what_may_be_several_is_listed_and_the_list_has_an_end() {
        let many: Vec<Value> = (0..12).map(|n| json!({"id": format!("device/{n}")})).collect();
        let error = the_one(&many, "5f0c", "device").unwrap_err().to_string();
        assert!(error.starts_with("`5f0c` may be more than one device: say which: device/0, "), "{error}");
        assert!(error.ends_with("device/9 and 2 more"), "{error}");
    }

    #[test]
    fn text_in_a_filter_ends_nowhere_else() {
        assert_eq!(quoted(r#"a" or "b\"#), r#""a\" or \"b\\""#);
    }
}
