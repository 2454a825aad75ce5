//! `login`: finds out whether the agent can be believed, signs in, and writes the profile.

use std::path::PathBuf;

use mf2c_domain::area::spiffe::Subject;
use mf2c_pki::area::PeerIdentity;
use mf2c_pki::{ServerIdentity, Trust};
use reqwest::Method;
use serde_json::Value;

use crate::args::LoginArgs;
use crate::output::clean;
use crate::profile::{Place, Profile};
use crate::prompt::{Secret, ask, ask_secret, confirm, secret_from_stdin};
use crate::remote::{Remote, address, api_path, shown};
use crate::session::{USUAL_URL, by_key, by_password, identify, sign_in, timeout, trust};
use crate::terminal::{Terminal, note, say};
use crate::{ClientError, Surroundings};

pub(super) async fn login(args: &LoginArgs, around: &Surroundings) -> Result<(), ClientError> {
    let terminal = Terminal::look(around);
    let place = Place::of(args.profile.as_deref(), around)?;
    let known = place.load()?;
    let url = match (&args.url, &known) {
        (Some(url), _) => address(url)?,
        (None, Some(profile)) => address(&profile.url)?,
        (None, None) => address(USUAL_URL)?,
    };
    let known = known.filter(|profile| profile.url == shown(&url));
    let trust = trust(&args.trust, known.as_ref())?;
    let shown =
        Profile { certificate: args.cert.clone(), certificate_key: args.cert_key.clone(), ..Profile::default() };
    let own = shown.own()?;
    let remote = Remote::new(url.clone(), trust.clone(), own.as_ref(), timeout(&args.trust), around)?;
    let (mut remote, trust) = believed(remote, trust, own.as_ref(), args, around).await?;
    let insecure = args.trust.insecure || matches!(trust, Trust::Anybody);
    let mut profile = Profile {
        url: remote.url(),
        fingerprint: remote.pinned().map(|fingerprint| fingerprint.to_string()),
        ca: match trust {
            Trust::File(path) => Some(whole(path)),
            _ => None,
        },
        insecure,
        ..Profile::default()
    };
    if let Some(who) = &args.speak_as {
        identify(&mut remote, who, &url)?;
        if !remote.is_believed().await? {
            return Err(ClientError::NotBelieved { url: remote.url() });
        }
        profile.speak_as = Some(who.clone());
        place.save(&profile)?;
        return say(&format!("speaking as {} to {} (profile `{}`)", clean(who), remote.url(), place.name));
    }
    if let Some(own) = &own {
        let user = certified(own)?;
        // Without a right it would be of no use: the agent says why it does not count.
        remote.get("certificate", &[("$last", "0")]).await?;
        profile.certificate = shown.certificate.map(whole);
        profile.certificate_key = shown.certificate_key.map(whole);
        profile.user = Some(user.clone());
        place.save(&profile)?;
        end_former(&mut remote, known.as_ref()).await;
        return say(&format!(
            "{} is known by a certificate at {} (profile `{}`)",
            clean(&user),
            remote.url(),
            place.name
        ));
    }
    let (user, body) = credentials(args, terminal)?;
    let signed_in = sign_in(&remote, &body).await?;
    profile.user = Some(user.clone());
    profile.session = Some(signed_in.id);
    profile.cookie = Some(signed_in.cookie);
    place.save(&profile)?;
    end_former(&mut remote, known.as_ref()).await;
    say(&format!("signed in to {} as {} (profile `{}`)", remote.url(), clean(&user), place.name))
}

/// The whole path: the profile is used from other directories too.
fn whole(path: PathBuf) -> PathBuf {
    path.canonicalize().unwrap_or(path)
}

/// Whom a certificate names.
fn certified(own: &ServerIdentity) -> Result<String, ClientError> {
    let peer = own.chain().first().and_then(|own| PeerIdentity::of(own).ok());
    match peer.map(|peer| peer.id.subject) {
        Some(Subject::User { name, .. }) => Ok(name),
        _ => {
            let message = "the certificate names no user of an agent: `mf2c user cert NAME` makes one that does";
            Err(ClientError::Usage(message.to_owned()))
        }
    }
}

/// Ends the session that the profile held before. It may be over already.
async fn end_former(remote: &mut Remote, known: Option<&Profile>) {
    if let Some(Profile { session: Some(id), cookie: Some(cookie), .. }) = known
        && remote.set_cookie(cookie).is_ok()
    {
        let _ = remote.send(remote.request(Method::DELETE, &api_path(id), &[])).await;
    }
}

/// Asks the agent for its entry point, and a person whether to accept a certificate that nobody vouches for.
async fn believed(
    remote: Remote,
    trust: Trust,
    own: Option<&ServerIdentity>,
    args: &LoginArgs,
    around: &Surroundings,
) -> Result<(Remote, Trust), ClientError> {
    let terminal = Terminal::look(around);
    let (remote, trust) = match entry_point(&remote).await {
        Err(ClientError::Untrusted { url, fingerprint, reason }) if terminal.person => {
            note(&format!("nobody known here vouches for the certificate of {url} ({reason})"));
            note(&format!("its SHA-256 fingerprint is {fingerprint}"));
            note(
                "an agent of an area renews its certificate: trust the root of `mf2c ca show --pem` with --ca instead",
            );
            if !confirm("Does it match the fingerprint in the agent's log? Trust it from now on?")? {
                return Err(ClientError::Failed("the certificate was not accepted: nothing was sent".to_owned()));
            }
            let pinned = Trust::Pinned(fingerprint);
            let remote = Remote::new(address(&url)?, pinned.clone(), own, timeout(&args.trust), around)?;
            entry_point(&remote).await?;
            (remote, pinned)
        }
        outcome => {
            outcome?;
            (remote, trust)
        }
    };
    if args.trust.insecure {
        note("warning: every certificate is accepted; somebody in between could read the password");
    }
    Ok((remote, trust))
}

/// Nothing secret goes to whoever does not answer as an agent does.
async fn entry_point(remote: &Remote) -> Result<(), ClientError> {
    let document = remote.get("cloud-entry-point", &[]).await?;
    match document.get("baseURI") {
        Some(Value::String(_)) => Ok(()),
        _ => Err(remote.no_agent("its entry point has no baseURI")),
    }
}

/// Who signs in, and the body that proves it.
fn credentials(args: &LoginArgs, terminal: Terminal) -> Result<(String, Value), ClientError> {
    let secret = |stdin: bool, question: &str, flag: &str| -> Result<Secret, ClientError> {
        if stdin { secret_from_stdin(flag) } else { ask_secret(terminal, question, flag) }
    };
    if let Some(key) = &args.key {
        let secret = secret(args.secret_stdin, "Secret: ", "--secret-stdin")?;
        return Ok((key.clone(), by_key(key, secret.reveal())));
    }
    let user = match &args.user {
        Some(user) => user.clone(),
        None if terminal.person => ask("User: ")?,
        None => return Err(ClientError::Usage("nobody can be asked for the user: name one with --user".to_owned())),
    };
    if user.is_empty() {
        return Err(ClientError::Usage("no user was named: nothing was sent".to_owned()));
    }
    let password = secret(args.password_stdin, "Password: ", "--password-stdin")?;
    Ok((user.clone(), by_password(&user, password.reveal())))
}
