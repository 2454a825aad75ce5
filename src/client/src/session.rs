//! `Session`: who a command speaks as, and to which agent; and how one signs in and out.

use std::time::Duration;

use mf2c_domain::time::Timestamp;
use mf2c_pki::{Fingerprint, Trust};
use reqwest::{Method, Url, header};
use serde_json::{Value, json};

use crate::args::{ConnectionArgs, TrustArgs};
use crate::profile::{Place, Profile};
use crate::remote::{self, Remote, address, is_loopback};
use crate::terminal::Terminal;
use crate::{ClientError, Surroundings};

/// Where an agent is when nothing says otherwise.
pub(crate) const USUAL_URL: &str = "https://127.0.0.1:8443";

/// How long a whole call may take when nothing says otherwise, in seconds.
const USUAL_TIMEOUT: u64 = 30;

/// What a command works with.
pub(crate) struct Session<'a> {
    /// The agent.
    pub(crate) remote: Remote,
    /// Where the profile is.
    pub(crate) place: Place,
    /// The profile, if there is one for this agent.
    pub(crate) profile: Option<Profile>,
    /// The standard streams.
    pub(crate) terminal: Terminal,
    /// What surrounds the command.
    pub(crate) around: &'a Surroundings,
    /// A session that lasts for this command only.
    passing: Option<String>,
}

/// What a sign-in gave.
pub(crate) struct SignedIn {
    /// The session's id.
    pub(crate) id: String,
    /// Its cookie, `name=value`.
    pub(crate) cookie: String,
}

impl<'a> Session<'a> {
    /// Prepares to speak with the agent that the flags and the profile name.
    pub(crate) async fn open(args: &ConnectionArgs, around: &'a Surroundings) -> Result<Self, ClientError> {
        let place = Place::of(args.profile.as_deref(), around)?;
        let profile = place.load()?;
        if profile.is_none() && args.profile.is_some() && args.url.is_none() {
            let message = format!("there is no profile `{0}`: make it with `mf2c login URL --profile {0}`", place.name);
            return Err(ClientError::Usage(message));
        }
        let named = args.url.as_deref().map(address).transpose()?;
        // A cookie or a pin goes to the agent that it came from and to no other.
        let profile = profile
            .filter(|profile| named.as_ref().is_none_or(|url| address(&profile.url).is_ok_and(|known| known == *url)));
        let url = match (&named, &profile) {
            (Some(url), _) => url.clone(),
            (None, Some(profile)) => address(&profile.url)?,
            (None, None) => address(USUAL_URL)?,
        };
        let trust = trust(&args.trust, profile.as_ref())?;
        let own = profile.as_ref().map_or(Ok(None), Profile::own)?;
        let remote = Remote::new(url.clone(), trust, own.as_ref(), timeout(&args.trust), around)?;
        let terminal = Terminal::look(around);
        let mut session = Self { remote, place, profile: None, terminal, around, passing: None };
        let keys = ["MF2C_API_KEY", "MF2C_API_SECRET"].iter().any(|name| around.variable(name).is_some());
        let profiled = profile.as_ref().and_then(|profile| profile.speak_as.as_deref()).filter(|_| !keys);
        if let Some(who) = args.speak_as.as_deref().or(profiled) {
            identify(&mut session.remote, who, &url)?;
        }
        session.authenticate(profile.as_ref()).await?;
        session.profile = profile;
        Ok(session)
    }

    /// By `--as`, else by the key in the environment, else by the profile's cookie.
    async fn authenticate(&mut self, profile: Option<&Profile>) -> Result<(), ClientError> {
        if self.remote.identity().is_some() {
            return Ok(());
        }
        match (self.around.variable("MF2C_API_KEY"), self.around.variable("MF2C_API_SECRET")) {
            (Some(key), Some(secret)) => {
                let signed_in = sign_in(&self.remote, &by_key(key, secret)).await?;
                self.remote.set_cookie(&signed_in.cookie)?;
                self.passing = Some(signed_in.id);
                Ok(())
            }
            (None, None) => match profile.and_then(|profile| profile.cookie.as_deref()) {
                Some(cookie) => self.remote.set_cookie(cookie),
                None => Ok(()),
            },
            _ => {
                Err(ClientError::Usage("MF2C_API_KEY and MF2C_API_SECRET belong together: set both or none".to_owned()))
            }
        }
    }

    /// Whether the profile shows a certificate instead of a session.
    pub(crate) fn is_certified(&self) -> bool {
        self.passing.is_none() && self.profile.as_ref().is_some_and(|profile| profile.certificate.is_some())
    }

    /// The end of the certificate that is shown.
    pub(crate) fn certificate_ends(&self) -> Result<Option<Timestamp>, ClientError> {
        let own = self.profile.as_ref().map_or(Ok(None), Profile::own)?;
        Ok(own.map(|own| own.not_after()))
    }

    /// Ends what was begun for this command only. That it fails changes nothing: the session ends by itself too.
    pub(crate) async fn close(&self) {
        if let Some(id) = &self.passing {
            let _ = self.remote.send(self.remote.request(Method::DELETE, &remote::api_path(id), &[])).await;
        }
    }

    /// Refuses to go on as nobody.
    pub(crate) fn need_somebody(&self) -> Result<(), ClientError> {
        if self.remote.is_somebody() { Ok(()) } else { Err(ClientError::NotSignedIn { url: self.remote.url() }) }
    }

    /// Refuses to go on with a session that is over: the agent would answer as if nobody had ever signed in.
    pub(crate) async fn need_live(&self) -> Result<(), ClientError> {
        let known = self.profile.as_ref().and_then(|profile| profile.session.as_deref());
        let Some(id) = known.filter(|_| self.passing.is_none() && self.remote.identity().is_none()) else {
            return Ok(());
        };
        match self.remote.get(id, &[]).await {
            Err(ClientError::Refused { status: 401 | 403 | 404 | 410, .. }) => {
                Err(ClientError::SessionOver { url: self.remote.url() })
            }
            other => other.map(drop),
        }
    }

    /// The caller's own session document; none if nobody is signed in.
    pub(crate) async fn own(&self) -> Result<Option<Value>, ClientError> {
        let answer = self.remote.get("session", &[]).await?;
        let mut sessions = answer.get("sessions").and_then(Value::as_array).cloned().unwrap_or_default();
        let known = self.passing.as_deref().or_else(|| self.profile.as_ref()?.session.as_deref());
        let at = sessions.iter().position(|session| session.get("id").and_then(Value::as_str) == known);
        Ok(match at {
            Some(at) => Some(sessions.swap_remove(at)),
            None if known.is_none() => None,
            None => sessions.into_iter().next(),
        })
    }
}

/// How long a whole call may take.
pub(crate) fn timeout(args: &TrustArgs) -> Duration {
    Duration::from_secs(args.timeout.unwrap_or(USUAL_TIMEOUT))
}

/// Speaks as a name and roles, where that can count.
pub(crate) fn identify(remote: &mut Remote, who: &str, url: &Url) -> Result<(), ClientError> {
    if !is_loopback(url) {
        let message = "--as is for an agent in development mode on this machine: sign in with `mf2c login`";
        return Err(ClientError::Usage(message.to_owned()));
    }
    remote.set_identity(who)
}

/// Whom to believe: what the flags say, else what the profile does.
pub(crate) fn trust(args: &TrustArgs, profile: Option<&Profile>) -> Result<Trust, ClientError> {
    let pin = |text: &str| {
        Fingerprint::parse(text).map(Trust::Pinned).ok_or_else(|| {
            let message = "the fingerprint is no SHA-256: expected 64 hexadecimal digits, with or without colons";
            ClientError::Usage(message.to_owned())
        })
    };
    if args.insecure {
        return Ok(Trust::Anybody);
    }
    if let Some(text) = &args.fingerprint {
        return pin(text);
    }
    if let Some(ca) = &args.ca {
        return Ok(Trust::File(ca.clone()));
    }
    match profile {
        Some(Profile { fingerprint: Some(text), .. }) => pin(text),
        Some(Profile { ca: Some(ca), .. }) => Ok(Trust::File(ca.clone())),
        Some(Profile { insecure: true, .. }) => Ok(Trust::Anybody),
        _ => Ok(Trust::System),
    }
}

/// The body of a sign-in with name and password.
pub(crate) fn by_password(name: &str, password: &str) -> Value {
    json!({"sessionTemplate": {"href": "session-template/internal", "username": name, "password": password}})
}

/// The body of a sign-in with an API key.
pub(crate) fn by_key(key: &str, secret: &str) -> Value {
    json!({"sessionTemplate": {"href": "session-template/api-key", "key": key, "secret": secret}})
}

/// Signs in.
pub(crate) async fn sign_in(remote: &Remote, body: &Value) -> Result<SignedIn, ClientError> {
    let outcome = remote.write(Method::POST, "session", body).await;
    let (document, headers) = outcome.map_err(|error| match error {
        ClientError::Refused { status: status @ (401 | 403), message, .. } => {
            let hint = ": check the name and the password, or the key and its secret".to_owned();
            ClientError::Refused { status, message, hint }
        }
        ClientError::Refused { status: 405, .. } => {
            ClientError::Failed(format!("the agent at {} lets nobody sign in: is it an older version?", remote.url()))
        }
        other => other,
    })?;
    let id = document.get("resource-id").and_then(Value::as_str).filter(|id| id.starts_with("session/"));
    let cookies = headers.get_all(header::SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    let mut pairs = cookies.map(|cookie| cookie.split(';').next().unwrap_or(cookie).trim());
    match (id, pairs.find(|pair| pair.contains('='))) {
        (Some(id), Some(cookie)) => Ok(SignedIn { id: id.to_owned(), cookie: cookie.to_owned() }),
        _ => Err(remote.no_agent("the sign-in gave no session")),
    }
}
