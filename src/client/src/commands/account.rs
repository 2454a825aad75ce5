//! `logout` and `whoami`.

use mf2c_domain::time::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::show;
use crate::ClientError;
use crate::args::{Format, ShownArgs};
use crate::output::clean;
use crate::profile::Profile;
use crate::remote::api_path;
use crate::session::Session;
use crate::terminal::{note, say};

/// Ends the session at the agent and forgets it here, in this order, so that a session that could not be ended is said.
pub(super) async fn logout(session: &Session<'_>) -> Result<(), ClientError> {
    let remote = &session.remote;
    let not_signed_in = || ClientError::NotSignedIn { url: remote.url() };
    let profile = session.profile.clone().ok_or_else(not_signed_in)?;
    if session.is_certified() {
        session.place.save(&Profile { certificate: None, certificate_key: None, user: None, ..profile })?;
        return say(&format!("the certificate is shown to {} no longer; its files are still there", remote.url()));
    }
    if profile.speak_as.is_some() {
        session.place.save(&Profile { speak_as: None, ..profile })?;
        return say(&format!("speaking as nobody to {}", remote.url()));
    }
    let id = profile.session.clone().ok_or_else(not_signed_in)?;
    let ended = remote.json(remote.request(Method::DELETE, &api_path(&id), &[])).await;
    session.place.save(&Profile { session: None, cookie: None, ..profile })?;
    match ended {
        Ok(_) => say(&format!("signed out of {}", remote.url())),
        // It was over before.
        Err(ClientError::Refused { status: 401 | 403 | 404, .. }) => {
            say(&format!("the session at {} was over already; it is forgotten", remote.url()))
        }
        Err(error) => {
            note("the session is forgotten here, but it goes on at the agent until it expires");
            Err(error)
        }
    }
}

/// Shows who requests come from.
pub(super) async fn whoami(session: &Session<'_>, args: &ShownArgs) -> Result<(), ClientError> {
    let remote = &session.remote;
    if !remote.is_somebody() && session.profile.as_ref().is_none_or(|profile| profile.session.is_none()) {
        return Err(ClientError::NotSignedIn { url: remote.url() });
    }
    let mut about = match (remote.identity(), session.own().await?) {
        (Some(_), _) if !remote.is_believed().await? => {
            return Err(ClientError::NotBelieved { url: remote.url() });
        }
        (Some(who), _) => {
            let (name, roles) = who.split_once(' ').unwrap_or((who, ""));
            json!({"user": name, "roles": roles, "url": remote.url(), "by": "header (development mode)"})
        }
        (None, Some(own)) => {
            let text = |name: &str| own.get(name).cloned().unwrap_or(Value::Null);
            json!({
                "user": text("username"), "roles": text("roles"), "expires": text("expiry"), "url": remote.url(),
                "session": text("id"), "profile": session.place.name,
            })
        }
        (None, None) if session.is_certified() => {
            // The agent says why, if the certificate does not count any more.
            remote.get("certificate", &[("$last", "0")]).await?;
            let user = session.profile.as_ref().and_then(|profile| profile.user.clone());
            let expires = session.certificate_ends()?.map(|end| end.to_string());
            json!({
                "user": user, "expires": expires, "url": remote.url(), "by": "certificate",
                "profile": session.place.name,
            })
        }
        (None, None) if remote.is_somebody() => return Err(ClientError::SessionOver { url: remote.url() }),
        (None, None) => return Err(ClientError::NotSignedIn { url: remote.url() }),
    };
    if args.output != Format::Json {
        hide_roles(&mut about);
    }
    if args.output != Format::Table {
        return show(&about, args, session);
    }
    let text = |name: &str| about.get(name).and_then(Value::as_str).map(clean);
    let roles = text("roles").map(|roles| in_brackets(&roles)).unwrap_or_default();
    say(&format!("{}{roles} at {}", text("user").unwrap_or_else(|| "unknown".to_owned()), remote.url()))?;
    match text("expires").as_deref().and_then(Timestamp::parse) {
        Some(end) => say(&format!("signed in until {end}, {}", span(session.around.clock.now(), end))),
        None => Ok(()),
    }
}

/// Takes the roles that everybody has out of what is told of somebody.
pub(super) fn hide_roles(about: &mut Value) {
    if let Some(Value::String(roles)) = about.get_mut("roles") {
        *roles = telling(roles).join(" ");
    }
}

/// Roles behind a name.
pub(super) fn in_brackets(roles: &str) -> String {
    let shown = telling(roles);
    if shown.is_empty() { String::new() } else { format!(" ({})", shown.join(" ")) }
}

/// That everybody is somebody, and has the role of his own session, need not be said.
fn telling(roles: &str) -> Vec<&str> {
    roles.split_whitespace().filter(|role| !role.starts_with("session/") && *role != "ANON").collect()
}

/// How far an instant is away, roughly.
pub(crate) fn span(now: Timestamp, then: Timestamp) -> String {
    let seconds = then.nanos().saturating_sub(now.nanos()) / 1_000_000_000;
    let rough = |seconds: i128| match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    };
    if seconds < 0 { format!("{} ago", rough(-seconds)) } else { format!("in {}", rough(seconds)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_of_a_session_is_not_shown() {
        assert_eq!(in_brackets("ADMIN USER ANON session/5f0c"), " (ADMIN USER)");
        assert_eq!(in_brackets("session/5f0c"), "");
    }

    #[test]
    fn a_span_is_told_roughly() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        assert_eq!(span(at(0), at(90)), "in 90 s");
        assert_eq!(span(at(0), at(86_400)), "in 24 h");
        assert_eq!(span(at(90 * 86_400), at(0)), "90 days ago");
    }
}
