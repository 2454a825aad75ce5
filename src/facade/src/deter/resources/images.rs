//! Images: what the containers of services run, and what people say about it. None are made by themselves: an image comes with a
//! service that runs it.

use std::sync::Arc;

use actix_web::web;
use mf2c_domain::acl::PrincipalKind;
use mf2c_domain::caller::Caller;
use mf2c_domain::testbed::computer::Deed;
use mf2c_domain::testbed::image::{Image, merged};
use mf2c_domain::testbed::names;
use mf2c_domain::testbed::pattern::Pattern;
use mf2c_soap::{Field, ObjectType, Request, Value};
use mf2c_store::{Store, StoreError};
use serde::Deserialize;

use super::{description_in, given, list_values, lists_in};
use crate::deter::call::Call;
use crate::deter::fault::Fault;
use crate::deter::testbed::{Members, add, all, discard, edit, seen_by};

/// The most types of containers of one image.
const MOST_TYPES: usize = 20;

pub(super) static DESCRIPTION: ObjectType = ObjectType {
    name: "ImageDescription",
    fields: &[
        Field::text("description"),
        Field::text("name"),
        Field::text("owner"),
        Field::text("projectDelete").many(),
        Field::text("projectModify").many(),
        Field::text("projectRead").many(),
        Field::text("projectUse").many(),
        Field::text("validIn").many(),
    ],
};

#[derive(Deserialize)]
struct Service {
    exec: String,
    exec_type: String,
}

/// What services run that somebody may see: whose, what, and by which type of containers.
fn run(store: &Store, caller: &Caller) -> Result<Vec<(String, String, String)>, StoreError> {
    let mut found = Vec::new();
    for document in store.all("service").into_iter().filter(|document| document.acl.can_view(caller)) {
        let body = store.body(&document)?;
        let Some(service) = body.and_then(|body| serde_json::from_slice::<Service>(&body).ok()) else { continue };
        let owner = &document.acl.owner;
        let owner = if owner.kind == PrincipalKind::User { owner.principal.to_string() } else { String::new() };
        // An address or a whole compose file is no name of an image.
        if names::is_long_name(&service.exec) && !service.exec.starts_with("data:") {
            found.push((owner, service.exec, service.exec_type));
        }
    }
    Ok(found)
}

/// The images that there are: those that follow from services that the caller may see, and those that are described.
async fn images(call: &Call<'_>) -> Result<Vec<Image>, Fault> {
    let (store, caller) = (Arc::clone(&call.exchange.api.store), call.exchange.caller.clone());
    let run = web::block(move || run(&store, &caller)).await.map_err(|_| StoreError::Stopping)??;
    let said = all::<Image>(call.exchange.api, "image").await?.into_iter().map(|held| held.value).collect();
    Ok(merged(run, said))
}

pub(super) async fn view(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let uid = call.acting(given(request, "uid"))?;
    let by = call.asker(&uid);
    let owner = given(request, "owner");
    let pattern = given(request, "nameRE").map(Pattern::anywhere).transpose()?;
    let members = Members::new(call.exchange.api);
    let own = call.user()? == uid;
    let described = all::<Image>(call.exchange.api, "image").await?;
    let is_described = |image: &Image| described.iter().any(|held| held.value == *image);
    // What follows from services was seen with the caller's own rights already.
    let may = |image: &Image| image.grants(by, Deed::Read, &members) || own && !is_described(image);
    let wanted = |image: &Image| {
        owner.is_none_or(|owner| image.owner == owner)
            && pattern.as_ref().is_none_or(|pattern| pattern.matches(&image.image))
    };
    let found = images(call).await?.into_iter().filter(|image| wanted(image) && may(image));
    Ok(Value::List(found.map(|image| description(&image)).collect()))
}

fn description(image: &Image) -> Value {
    let mut members = vec![
        ("description", image.description.clone().into()),
        ("name", image.image.as_str().into()),
        ("owner", image.owner.as_str().into()),
        ("validIn", Value::list(image.valid_in.iter().map(String::as_str))),
    ];
    list_values(&image.projects, &mut members);
    Value::Object(&DESCRIPTION, members)
}

/// The image that a request means: of several with the name, the user's own comes first, then one with which he may do it.
async fn found(call: &Call<'_>, request: &Request, uid: &str, deed: Deed) -> Result<Image, Fault> {
    let name = given(request, "name").ok_or_else(|| Fault::request("name is required"))?;
    let owner = given(request, "owner");
    let named: Vec<Image> = images(call)
        .await?
        .into_iter()
        .filter(|image| image.image == name && owner.is_none_or(|owner| image.owner == owner))
        .collect();
    let members = Members::new(call.exchange.api);
    let by = call.asker(uid);
    let own = named.iter().find(|image| image.owner == uid);
    let usable = || named.iter().find(|image| image.grants(by, deed, &members));
    match own.or_else(usable) {
        Some(image) => Ok(image.clone()),
        None if named.iter().any(|image| image.grants(by, Deed::Read, &members)) => Err(Fault::access()),
        None => Err(Fault::request("No such image")),
    }
}

pub(super) async fn modify(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let uid = call.acting(given(request, "uid"))?;
    let image = found(call, request, &uid, Deed::Modify).await?;
    let (lists, description) = (lists_in(call, request)?, description_in(request)?);
    let types: Vec<String> = request.texts("validIn").filter(|kind| !kind.is_empty()).map(str::to_owned).collect();
    if types.len() > MOST_TYPES || types.iter().any(|kind| !names::is_long_name(kind)) {
        return Err(Fault::request(format!("validIn: at most {MOST_TYPES} names of types are accepted")));
    }
    let change = |image: &mut Image| {
        if let Some(description) = description {
            image.description = Some(description.to_owned());
        }
        if request.has("validIn") {
            image.valid_in.clear();
            for kind in types.iter().filter(|kind| !kind.is_empty()) {
                if !image.valid_in.contains(kind) {
                    image.valid_in.push(kind.clone());
                }
            }
        }
        image.projects.take_over(lists.clone());
        Ok(())
    };
    let api = call.exchange.api;
    let local = Image::local_name(&image.owner, &image.image);
    let id = format!("image/{local}");
    if edit(api, &id, change, |value: &Image| seen_by(api, value)).await?.is_some() {
        return Ok(true.into());
    }
    let mut new = image;
    change(&mut new)?;
    add(api, "image", &local, &new, seen_by(api, &new)).await?;
    Ok(true.into())
}

/// Removes what is said about an image. One that a service still runs stays.
pub(super) async fn remove(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let uid = call.acting(given(request, "uid"))?;
    let image = found(call, request, &uid, Deed::Delete).await?;
    let store = Arc::clone(&call.exchange.api.store);
    let run = web::block(move || run(&store, &Caller::agent())).await.map_err(|_| StoreError::Stopping)??;
    if run.iter().any(|(owner, name, _)| *owner == image.owner && *name == image.image) {
        return Err(Fault::request(format!("Image {} is in use by a service", image.image)));
    }
    let local = Image::local_name(&image.owner, &image.image);
    discard(call.exchange.api, &format!("image/{local}")).await?;
    Ok(true.into())
}
