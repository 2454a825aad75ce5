//! `mf2c ca`, `mf2c token` and `mf2c join`: asks the agent of a data directory, and tells people what came of it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use mf2c_client::Surroundings;
use mf2c_client::args::Format;
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::token::{JoinToken, LONGEST_TOKEN, TokenError, hex};
use mf2c_domain::time::Timestamp;
use serde_json::{Map, Value, json};

use super::{Failure, load_place, misconfigured, no_agent, not_ours, say};
use crate::cli::{
    CaCommand, CreateTokenArgs, InitArgs, JoinArgs, ListTokensArgs, PlaceArgs, RevokeArgs, ShowArgs, TokenCommand, exit,
};
use crate::control::wire::{self, Answer, NewToken, Refusal, Request};
use crate::node::Node;

/// What a list of tokens shows.
const TOKEN_COLUMNS: [&str; 7] = ["token", "role", "area", "device", "state", "expires", "certificate"];

/// Does what `mf2c ca` says.
pub(super) fn ca(command: CaCommand, around: &Surroundings) -> Result<(), Failure> {
    match command {
        CaCommand::Init(args) => init(args, around),
        CaCommand::Show(args) => show(&args, around),
        CaCommand::Revoke(args) => revoke(args),
        CaCommand::Rotate(args) => {
            let shown = ask(&args.place, Request::Rotate { finish: args.finish }, "")?;
            table(&shown, around)?;
            beside(match (args.finish, shown["authority"]["rotation"].as_str()) {
                (false, Some(_)) => {
                    "the new root is believed beside the old one; when every member has heard of it, drop the old one \
                     with `mf2c ca rotate --finish`, or wait for `pki.overlap`"
                }
                _ => {
                    "only the new root is believed from now on; members that were away until their certificates ended \
                     need a new join token"
                }
            });
            Ok(())
        }
        CaCommand::Crl(place) => {
            let pem = ask(&place, Request::RevocationList, "")?;
            say(pem["pem"].as_str().unwrap_or_default().trim_end())
        }
    }
}

/// Does what `mf2c token` says.
pub(super) fn token(command: TokenCommand, around: &Surroundings) -> Result<(), Failure> {
    match command {
        TokenCommand::Create(args) => create(args, around),
        TokenCommand::List(args) => list(&args, around),
        TokenCommand::Delete(args) => args.ids.into_iter().try_for_each(|id| {
            ask(&args.place, Request::DeleteToken { id: id.clone() }, "")?;
            beside(&format!("token {id} lets nobody in any more"));
            Ok(())
        }),
    }
}

/// Asks the agent; what it has to show.
pub(super) fn ask(place: &PlaceArgs, request: Request, otherwise: &str) -> Result<Value, Failure> {
    let data_dir = load_place(place)?.config.data_dir;
    let denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    match wire::ask(&data_dir, request) {
        Ok(Some(Answer::Done(shown))) => Ok(shown),
        Ok(Some(Answer::Failed(refusal))) => {
            Err(Failure { code: refusal.exit, error: anyhow!(refusal.message), quiet: false })
        }
        Ok(None) => Err(no_agent(&data_dir, otherwise)),
        Err(error) if denied(&error) => Err(not_ours(&data_dir)),
        Err(error) => Err(anyhow!(error).context("cannot ask the running agent").into()),
    }
}

/// Tells people something on standard error. That nobody hears it is no failure.
pub(super) fn beside(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn init(args: InitArgs, around: &Surroundings) -> Result<(), Failure> {
    let InitArgs { area, trust_domain, domains, place } = args;
    let shown = ask(&place, Request::InitAuthority { area, trust_domain, domains }, "")?;
    table(&shown, around)?;
    match shown["listens"].as_str() {
        Some(address) => beside(&format!("other agents are let in on {address}, with a token of `mf2c token create`")),
        None => beside("no other agent is let in yet: the log tells why nothing listens on `link.listen`"),
    }
    beside("keep a copy of `ca/root.key` somewhere safe; `mf2c backup` does not hold it");
    Ok(())
}

fn show(args: &ShowArgs, around: &Surroundings) -> Result<(), Failure> {
    let shown = ask(&args.place, Request::ShowArea, "")?;
    if args.pem {
        let roots = ["authority", "membership"].into_iter().find_map(|part| shown[part]["rootsPem"].as_str());
        let roots = roots.ok_or_else(|| anyhow!("the running agent does not tell its roots: restart it"))?;
        return say(roots.trim_end());
    }
    match args.output {
        Format::Table => table(&shown, around),
        format => Ok(mf2c_client::show(&shown, format, around)?),
    }
}

/// What `ca show` says to people.
fn table(shown: &Value, around: &Surroundings) -> Result<(), Failure> {
    let now = around.clock.now();
    let mut out = String::new();
    let mut line = |name: &str, text: &str| {
        if !text.is_empty() {
            // Writing to a `String` cannot fail.
            let _ = writeln!(out, "{name:<14}{text}");
        }
    };
    let authority = &shown["authority"];
    if authority.is_object() {
        let text = |name: &str| authority[name].as_str().unwrap_or_default();
        line("area", text("area"));
        line("trust domain", text("trustDomain"));
        for root in authority["roots"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            line("root", &format!("sha256 {root}"));
        }
        let key = if authority["hasRootKey"] == true { "on this machine" } else { "not on this machine" };
        line("root key", key);
        line("root until", &when(text("rootUntil"), now));
        line("area until", &when(text("areaUntil"), now));
        line("certificates", &format!("{} valid, {} revoked", authority["valid"], authority["revoked"]));
        line("revoked list", &format!("number {}", authority["listNumber"]));
        line("rotation", text("rotation"));
        line("lets in on", shown["listens"].as_str().unwrap_or("nothing: see the log"));
        line("tokens say", shown["address"].as_str().unwrap_or_default());
    }
    let membership = &shown["membership"];
    if membership.is_object() {
        let text = |name: &str| membership[name].as_str().unwrap_or_default();
        if !authority.is_object() {
            line("area", text("area"));
        }
        line("member", text("id"));
        line("as", text("role"));
        line("led by", text("leader"));
        line("called at", text("address"));
        line("certificate", text("serial"));
        line("holds until", &when(text("until"), now));
        line("renews", &when(text("renews"), now));
        line("trouble", text("trouble"));
    }
    say(out.trim_end())
}

/// An instant as it is, and how far away.
fn when(text: &str, now: Timestamp) -> String {
    match Timestamp::parse(text) {
        // Fractions of a second say nothing here.
        Some(then) => {
            let shown = text.split_once('.').map_or_else(|| text.to_owned(), |(seconds, _)| format!("{seconds}Z"));
            format!("{shown} ({})", mf2c_client::span(now, then))
        }
        None => text.to_owned(),
    }
}

fn revoke(args: RevokeArgs) -> Result<(), Failure> {
    let RevokeArgs { serial, device, user, reason, place } = args;
    let revoked = ask(&place, Request::Revoke { serial, device, user, reason }, "")?;
    let serials: Vec<&str> = revoked["serials"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    serials.iter().try_for_each(|serial| say(serial))?;
    let count = serials.len();
    let what = if count == 1 { "1 certificate is".to_owned() } else { format!("{count} certificates are") };
    beside(&format!("{what} revoked; connections with them are being closed"));
    Ok(())
}

fn create(args: CreateTokenArgs, around: &Surroundings) -> Result<(), Failure> {
    if args.role == MemberRole::Agent && args.area.is_some() {
        return Err(misconfigured(anyhow!("`--area` is for --role leader: an agent joins this agent's own area")));
    }
    let role = args.role;
    let new = NewToken {
        role,
        area: args.area,
        ttl: args.ttl.as_secs(),
        device: args.device,
        names: args.names,
        address: args.address,
        without_secret: args.without_secret,
    };
    let made = ask(&args.place, Request::CreateToken(new), "")?;
    say(made["token"].as_str().unwrap_or_default())?;
    let address = made["address"].as_str().unwrap_or_default();
    let id = made["id"].as_str().unwrap_or_default();
    let until = when(made["expires"].as_str().unwrap_or_default(), around.clock.now());
    let flag = if role == MemberRole::Leader { " --role leader" } else { "" };
    beside(&format!("token {id} lets one machine in as {role}, until {until}"));
    beside(&format!("on that machine: mf2c join{flag} - <token.txt, or mf2c agent{flag} --join @token.txt"));
    let host = address.rsplit_once(':').map_or("", |(host, _)| host.trim_matches(['[', ']']));
    if host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()) {
        beside(&format!(
            "it says to call {address}, which only this machine can: for others set `link.listen` (and `link.advertise`)"
        ));
    }
    Ok(())
}

fn list(args: &ListTokensArgs, around: &Surroundings) -> Result<(), Failure> {
    let tokens = ask(&args.place, Request::ListTokens, "")?;
    let now = around.clock.now();
    let mut tokens: Vec<Value> = tokens.as_array().cloned().unwrap_or_default();
    for token in tokens.iter_mut().filter_map(Value::as_object_mut) {
        complete(token, now, args.output);
    }
    if args.output == Format::Table && tokens.is_empty() {
        beside("there are no tokens: `mf2c token create` makes one");
        return Ok(());
    }
    Ok(mf2c_client::show_list(&tokens, &TOKEN_COLUMNS, args.output, around)?)
}

/// What follows from a token's time, and for people how far it is away.
fn complete(token: &mut Map<String, Value>, now: Timestamp, format: Format) {
    let id = token.get("id").and_then(Value::as_str).unwrap_or_default();
    let bare = id.strip_prefix("join-token/").unwrap_or(id).to_owned();
    token.insert("token".to_owned(), bare.into());
    let Some(expires) = token.get("expires").and_then(Value::as_str).map(str::to_owned) else { return };
    let over = Timestamp::parse(&expires).is_some_and(|end| end <= now);
    if over && token.get("state").is_some_and(|state| state == "OPEN") {
        token.insert("state".to_owned(), "EXPIRED".into());
    }
    if format == Format::Table {
        token.insert("expires".to_owned(), json!(when(&expires, now)));
    }
}

/// Joins by way of the running agent.
pub(super) fn join(args: &JoinArgs, around: &Surroundings) -> Result<(), Failure> {
    let token = match (&args.token_file, args.token.as_deref()) {
        (Some(path), _) => read(path)?,
        (None, Some("-")) => {
            if io::stdin().is_terminal() {
                beside("paste the token and press Enter:");
            }
            let mut line = String::new();
            let stdin = io::stdin().lock();
            io::BufRead::read_line(&mut stdin.take(LONGEST_TOKEN as u64 + 2), &mut line).context("standard input")?;
            parse(&line)?
        }
        (None, text) => parse(text.unwrap_or_default())?,
    };
    beside(&format!("calling {}, which must show the root that the token names", token.address));
    let otherwise = ", or start it with `mf2c agent --join TOKEN`";
    let joined = ask(&args.place, wire::join(&token, args.role), otherwise)?;
    let member = &joined["membership"];
    steps(member, &token, around.clock.now()).iter().for_each(|step| beside(step));
    say(member["id"].as_str().unwrap_or_default())
}

/// The token of `agent --join`; none where it is in a file that is gone, and the agent has joined already.
pub(super) fn at_start(text: &str, data_dir: &Path) -> Result<Option<JoinToken>, Failure> {
    let Some(path) = text.strip_prefix('@').map(Path::new) else { return parse(text).map(Some) };
    let is_member = data_dir.join("member").is_dir();
    if is_member && matches!(path.try_exists(), Ok(false)) { Ok(None) } else { read(path).map(Some) }
}

/// Joins before the agent is ready, unless it has joined the area of this token before.
pub(super) async fn join_first(node: &Node, token: &JoinToken) -> Result<(), Failure> {
    let refused = |refusal: Refusal| {
        let error = anyhow!(refusal.message).context("the agent did not join, so it stops");
        Failure { code: refusal.exit, error, quiet: false }
    };
    let area = node.area();
    if let Some(member) = area.membership().await.map_err(refused)? {
        let root = hex(&token.root);
        if member.roots.contains(&root) {
            tracing::info!(area = member.area, until = %member.until, "joined before; the token is not needed");
            return Ok(());
        }
        let message = format!(
            "it belongs to the area `{}` already, and the token names another root ({root}): start it without --join, or \
             remove `member/` from its data directory to leave that area",
            member.area
        );
        return Err(refused(Refusal::new(exit::CONFLICT, message)));
    }
    tracing::info!(address = token.address, "joining: whoever answers must show the root that the token names");
    area.join(token.clone(), None).await.map(drop).map_err(refused)
}

/// What happened, step by step.
fn steps(member: &Value, token: &JoinToken, now: Timestamp) -> [String; 4] {
    let text = |name: &str| member[name].as_str().unwrap_or_default();
    let root = hex(&token.root);
    [
        format!("found the authority; its root is the token's: sha256 {root}"),
        format!("admitted as {} of the area {}, led by {}", text("role"), text("area"), text("leader")),
        format!("the certificate {} holds until {}", text("serial"), when(text("until"), now)),
        format!("the agent renews it by itself, next {}", when(text("renews"), now)),
    ]
}

/// The token in the first line of a file.
fn read(path: &Path) -> Result<JoinToken, Failure> {
    let context = || format!("cannot read the token in `{}`", path.display());
    let file = File::open(path).with_context(context)?;
    let mut text = String::new();
    file.take(LONGEST_TOKEN as u64 + 2).read_to_string(&mut text).with_context(context)?;
    parse(text.lines().next().unwrap_or_default())
}

/// A token, or what is wrong with it.
fn parse(text: &str) -> Result<JoinToken, Failure> {
    text.trim().parse().map_err(|error: TokenError| misconfigured(error))
}
