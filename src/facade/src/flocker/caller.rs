//! Who asks: the user of this agent whom the certificate of the connection names.

use actix_web::HttpRequest;
use mf2c_domain::caller::Caller;
use mf2c_domain::people::account::Account;

use super::FlockerApi;
use super::refusal::Refusal;
use crate::front::Peer;

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Who {
    /// With the rights that he has now.
    pub(super) caller: Caller,
    /// His name.
    pub(super) name: String,
    /// Whether he has no account, and is trusted nevertheless.
    pub(super) trusted: bool,
}

/// Finds out, at every request: the certificate may have been revoked, and the account closed, while the connection was open.
///
/// # Errors
/// 403.
pub(super) fn who(request: &HttpRequest, door: &FlockerApi) -> Result<Who, Refusal> {
    let shown = request.conn_data::<Peer>().and_then(|peer| peer.cluster_user.clone());
    let shown =
        shown.ok_or_else(|| Refusal::forbidden("The connection has shown no certificate of an API user.").closing())?;
    if (door.is_revoked)(&shown.serial) {
        return Err(Refusal::forbidden("The certificate has been revoked.").closing());
    }
    if door.api.world.clock.now() >= shown.not_after {
        return Err(Refusal::forbidden("The certificate has expired.").closing());
    }
    let store = &door.api.store;
    let account = store.get(&format!("user/{}", shown.name));
    let Some(account) = account.and_then(|document| Account::read(&store.body(&document).ok()??)) else {
        return stranger(&shown.name, door);
    };
    if !account.may_sign_in() {
        let text = format!("The user '{}' may not sign in: the account is {}.", shown.name, account.state);
        return Err(Refusal::forbidden(text));
    }
    let caller = Caller::new(&shown.name, account.roles()).until(shown.not_after);
    Ok(Who { caller, name: shown.name.clone(), trusted: false })
}

/// Somebody without an account.
fn stranger(name: &str, door: &FlockerApi) -> Result<Who, Refusal> {
    if !door.trusts_any_user {
        let text = format!(
            "The certificate is for '{name}', and there is no user of that name here. An administrator can add one."
        );
        return Err(Refusal::forbidden(text));
    }
    // No account can ever have this name, and so get what is his.
    let name = format!("flocker:{name}");
    Ok(Who { caller: Caller::new(&name, ["ADMIN", "USER"]), name, trusted: true })
}
