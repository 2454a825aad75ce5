//! New accounts, and those that are given up.

use mf2c_actors::account_manager::{AccountError, Register, RegisterByMail, SendChallenge, holdings};
use mf2c_domain::id::ResourceId;
use mf2c_domain::people::profile::{EMAIL, USER, Values, filled};
use mf2c_domain::people::registration::Form;
use mf2c_soap::{Request, Value};
use mf2c_store::StoreError;
use serde_json::json;

use super::super::call::Call;
use super::super::fault::Fault;
use super::super::types::shown;
use super::CREATE_USER_RESULT;
use super::identity::{Wanted, issue};
use super::profiles::{sent, store};
use crate::cimi::member;
use crate::people::links::origin;

/// How long the certificate holds that comes with a new account, in seconds.
const IDENTITY_SECONDS: u64 = 30 * 60;
/// So many names are tried for a new account.
const MOST_NAMES: u32 = 6;
/// The longest list of attributes.
const MOST_ATTRIBUTES: usize = 100;

/// Makes an account for a stranger. It cannot be signed in to before the number in the mail has led to a password.
pub(super) async fn create(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let (values, email) = profile(request)?;
    let prefix = call.prefix(request.text("urlPrefix"))?.to_owned();
    // Who finds no place for his key comes again, and has no account yet.
    let place = call.door.keys.place()?;
    let id = named(call, request.text("uid"), &email, async |username| {
        let ask = RegisterByMail { username, email: email.clone(), origin: origin(&call.exchange) };
        call.exchange.api.accounts.send(ask).await.map_err(|_| StoreError::Stopping)?
    })
    .await?;
    store(call, id.name(), &values, None).await?;
    // The account stands, whatever becomes of the mail: the number can be asked for again.
    let send = SendChallenge { id: id.clone(), prefix, origin: origin(&call.exchange) };
    match call.exchange.api.accounts.send(send).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%id, %error, "no mail is sent for a new account"),
        Err(error) => tracing::warn!(%id, %error, "no mail is sent for a new account"),
    }
    let wanted = Wanted { user: id.name(), seconds: IDENTITY_SECONDS, is_unconfirmed: true };
    let identity = match issue(call, &wanted, place).await {
        Ok(pem) => Value::Bytes(pem.into_bytes()),
        Err(fault) => {
            tracing::warn!(%id, reason = fault.detail, "no certificate is made for a new account");
            Value::Nil
        }
    };
    Ok(Value::Object(&CREATE_USER_RESULT, vec![("identity", identity), ("uid", id.name().into())]))
}

/// Makes an account that can be used at once, for administrators.
pub(super) async fn create_at_once(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let _ = call.administrator()?;
    if request.text("hash").is_some_and(|hash| !hash.is_empty()) {
        let text = "passwords are kept as Argon2 digests alone: send clearpassword, or none";
        return Err(Fault::unimplemented(text));
    }
    let (values, email) = profile(request)?;
    let password = request.text("clearpassword").filter(|password| !password.is_empty());
    let id = named(call, request.text("uid"), &email, async |username| {
        let mut form = json!({
            "href": "user-template/direct", "username": username, "emailAddress": email, "state": "ACTIVE",
        });
        if let Some(password) = password {
            form["password"] = password.into();
        }
        let body = json!({ "userTemplate": form }).as_object().cloned().unwrap_or_default();
        let register = Register { form: Form::read(body)?, origin: origin(&call.exchange) };
        call.exchange.api.accounts.send(register).await.map_err(|_| StoreError::Stopping)?
    })
    .await?;
    store(call, id.name(), &values, None).await?;
    Ok(id.name().into())
}

/// The profile that was filled in, and the address in it.
fn profile(request: &Request) -> Result<(Values, String), Fault> {
    let mut given = Vec::new();
    for attribute in request.objects("profile").take(MOST_ATTRIBUTES) {
        given.push((attribute.text("name"), sent(attribute)?));
    }
    let pairs = given.iter().map(|(name, value)| (*name, value.as_deref()));
    let mut values = filled(&USER, pairs).map_err(Fault::request)?;
    let email = values.remove(EMAIL).unwrap_or_default();
    Ok((values, email))
}

/// Tries names until one is free: the one that was asked for, or what stands before the `@` of the address.
async fn named(
    call: &Call<'_>,
    asked: Option<&str>,
    email: &str,
    register: impl AsyncFn(String) -> Result<ResourceId, AccountError>,
) -> Result<ResourceId, Fault> {
    let base = match asked.filter(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        None => base_of(email),
    };
    for attempt in 0..MOST_NAMES {
        let name = match attempt {
            0 => base.clone(),
            1..3 => format!("{base}{attempt}"),
            _ => format!("{base}{}", call.random() % 10_000),
        };
        match register(name).await {
            Ok(id) => return Ok(id),
            Err(AccountError::Store(StoreError::Conflict { .. })) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::request(format!("all names like {} are taken: ask for another uid", shown(&base))))
}

/// A name from an address: what stands before the `@`, as far as names have it.
fn base_of(email: &str) -> String {
    let local = email.split('@').next().unwrap_or_default();
    let plain: String = local.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).take(60).collect();
    let trimmed = plain.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if trimmed.is_empty() { "someone".to_owned() } else { trimmed.to_owned() }
}

/// Deletes an account, as CIMI does; not one that others depend on.
pub(super) async fn remove(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let _ = call.user()?;
    let named = request.text("uid").filter(|user| !user.is_empty()).ok_or_else(|| Fault::request("missing uid"))?;
    let user = call.acting(Some(named))?;
    let unknown = || Fault::request(format!("No such user {}", shown(&user)));
    let id = ResourceId::new("user", &user).map_err(|_| unknown())?;
    if call.exchange.api.store.get(id.as_str()).is_none() {
        return Err(unknown());
    }
    if let Some(owned) = holdings(&call.exchange.api.store, &user)?.first() {
        return Err(Fault::request(format!("{user} owns {} cannot remove", owned.called)));
    }
    let _ = member::remove(&call.exchange, &id, None).await?;
    Ok(true.into())
}

#[cfg(test)]
mod tests {
    use mf2c_domain::people::names::check_username;

    use super::*;

    #[test]
    fn a_name_follows_from_an_address() {
        for (email, name) in [
            ("jane.doe@example.org", "jane.doe"),
            ("JDoe+deter@example.org", "JDoedeter"),
            ("-x-@example.org", "x"),
            ("\"<b>\"@example.org", "b"),
            ("äöü@example.org", "someone"),
            ("../../etc@example.org", "etc"),
        ] {
            assert_eq!(base_of(email), name);
            check_username(name).unwrap();
        }
    }
}
