//! Changing a password, and setting one that was forgotten.

use mf2c_actors::account_manager::{AccountError, Execute, SendChallenge};
use mf2c_actors::session_manager::SetPassword;
use mf2c_domain::id::ResourceId;
use mf2c_soap::{Request, Value};
use mf2c_store::StoreError;

use super::super::call::Call;
use super::super::fault::Fault;
use super::super::types::shown;
use super::identity::end_others;
use crate::people::links::origin;

/// Sets the password of who is signed in, or of whom an administrator names. The present one is not asked for: it was,
/// when he signed in.
pub(super) async fn change(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let _ = call.user()?;
    let named = request.text("uid").filter(|user| !user.is_empty()).ok_or_else(|| Fault::request("missing uid"))?;
    let password = request.text("newPass").filter(|password| !password.is_empty());
    let password = password.ok_or_else(|| Fault::request("missing password"))?.to_owned();
    let username = call.acting(Some(named))?;
    let set = call.exchange.api.sessions.send(SetPassword { username: username.clone(), password }).await;
    set.map_err(|_| StoreError::Stopping)??;
    end_others(call, &username).await?;
    Ok(true.into())
}

/// Sends the number by which the password is set.
pub(super) async fn request_reset(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let user = request.text("uid").ok_or_else(|| Fault::request("Missing uid"))?;
    let unknown = || Fault::request(format!("No profile for id {}", shown(user)));
    let id = ResourceId::new("user", user).map_err(|_| unknown())?;
    let prefix = call.prefix(request.text("urlPrefix"))?.to_owned();
    let send = SendChallenge { id, prefix, origin: origin(&call.exchange) };
    match call.exchange.api.accounts.send(send).await.map_err(|_| StoreError::Stopping)? {
        Ok(()) => Ok(true.into()),
        Err(AccountError::Store(StoreError::NotFound { .. }) | AccountError::NotActive(_)) => Err(unknown()),
        Err(error @ AccountError::TooManyChallenges(_)) => Err(Fault::request(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// Sets a password by the number that came by mail.
pub(super) async fn change_by_challenge(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let number = request.long("challengeID").ok_or_else(|| Fault::request("no challenge ID given"))?;
    let password = request.text("newPass").filter(|password| !password.is_empty());
    let new_password = Some(password.ok_or_else(|| Fault::request("No password?"))?.to_owned());
    let unknown = || Fault::request(format!("no challenge with ID {number}"));
    let id = ResourceId::new("callback", &number.to_string()).map_err(|_| unknown())?;
    let done = call.exchange.api.accounts.send(Execute { id, new_password }).await;
    let done = match done.map_err(|_| StoreError::Stopping)? {
        Ok(done) => done,
        Err(AccountError::Store(StoreError::NotFound { .. }) | AccountError::Callback(_)) => return Err(unknown()),
        Err(AccountError::NotActive(_) | AccountError::NotNew(_)) => return Err(unknown()),
        // Of several numbers at once another one was sooner.
        Err(AccountError::Store(StoreError::Stale { .. })) => return Err(unknown()),
        Err(error) => return Err(error.into()),
    };
    end_others(call, done.resource.name()).await?;
    Ok(true.into())
}
