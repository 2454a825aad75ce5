//! Carries out what commands about areas want, by asking the actors.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message, Recipient};
use mf2c_actors::ca_client::{CaClientError, Join, MembershipView, ShowMembership};
use mf2c_actors::certificate_authority::{
    AuthorityError, AuthorityView, CreateToken, InitAuthority, RevocationList, Revoke, RevokeTarget, Rotate,
    ShowAuthority,
};
use mf2c_actors::discovery::Sightings;
use mf2c_actors::ports::LinkError;
use mf2c_actors::resource_store::{DeleteResource, ResourceStore};
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::token::JoinToken;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_fabric::wire::Code;
use mf2c_store::{Store, StoreError};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::devices;
use super::exit;
use super::fog::FogDoors;
use super::wire::{Answer, NewToken, Refusal, Request};
use crate::config::{Config, Role};

/// How long an actor may take.
const PATIENCE: Duration = Duration::from_secs(50);
/// The most tokens in a list, newest first.
const LONGEST_LIST: usize = 10_000;

/// Tells where links of others are taken; none while nothing listens.
pub type Bound = Arc<dyn Fn() -> Option<SocketAddr> + Send + Sync>;

/// The doors of the area's actors, for commands on this machine.
#[derive(Clone)]
pub struct AreaDoors {
    init: Recipient<InitAuthority>,
    show: Recipient<ShowAuthority>,
    revoke: Recipient<Revoke>,
    rotate: Recipient<Rotate>,
    list: Recipient<RevocationList>,
    token: Recipient<CreateToken>,
    join: Recipient<Join>,
    membership: Recipient<ShowMembership>,
    writer: Addr<ResourceStore>,
    store: Arc<Store>,
    advertise: String,
    role: MemberRole,
    bound: Bound,
    near: Arc<OnceLock<Recipient<Sightings>>>,
    fog: FogDoors,
}

/// What the area's actors work beside.
pub struct AreaParts {
    /// Writes documents.
    pub writer: Addr<ResourceStore>,
    /// Reads them.
    pub store: Arc<Store>,
    /// Where links of others are taken.
    pub bound: Bound,
    /// Who leads, and how far replicas are.
    pub fog: FogDoors,
}

impl AreaDoors {
    /// The doors of these actors.
    pub fn new<A, C>(authority: &Addr<A>, client: &Addr<C>, parts: AreaParts, config: &Config) -> Self
    where
        A: Handler<InitAuthority>
            + Handler<ShowAuthority>
            + Handler<Revoke>
            + Handler<Rotate>
            + Handler<RevocationList>
            + Handler<CreateToken>,
        <A as Actor>::Context: ToEnvelope<A, InitAuthority>
            + ToEnvelope<A, ShowAuthority>
            + ToEnvelope<A, Revoke>
            + ToEnvelope<A, Rotate>
            + ToEnvelope<A, RevocationList>
            + ToEnvelope<A, CreateToken>,
        C: Handler<Join> + Handler<ShowMembership>,
        <C as Actor>::Context: ToEnvelope<C, Join> + ToEnvelope<C, ShowMembership>,
    {
        Self {
            init: authority.clone().recipient(),
            show: authority.clone().recipient(),
            revoke: authority.clone().recipient(),
            rotate: authority.clone().recipient(),
            list: authority.clone().recipient(),
            token: authority.clone().recipient(),
            join: client.clone().recipient(),
            membership: client.clone().recipient(),
            writer: parts.writer,
            store: parts.store,
            advertise: config.link.advertise.clone(),
            role: if config.role == Role::Leader { MemberRole::Leader } else { MemberRole::Agent },
            bound: parts.bound,
            near: Arc::default(),
            fog: parts.fog,
        }
    }

    /// Who tells which agents are near, once he is there.
    pub(crate) fn ask_of_nearby(&self, sightings: Recipient<Sightings>) {
        // It is set once, at the start.
        let _ = self.near.set(sightings);
    }

    /// What this agent is a member of.
    ///
    /// # Errors
    /// [`Refusal`] where the actor is gone.
    pub(crate) async fn membership(&self) -> Result<Option<MembershipView>, Refusal> {
        ask(&self.membership, ShowMembership).await
    }

    /// Joins the area of a token.
    ///
    /// # Errors
    /// [`Refusal`] with what is in the way.
    pub(crate) async fn join(&self, token: JoinToken, role: Option<MemberRole>) -> Result<MembershipView, Refusal> {
        let (id, address) = (token.id.clone(), token.address.clone());
        let role = role.unwrap_or(self.role);
        let joined = ask(&self.join, Join { token, role }).await?;
        let view = joined.map_err(|error| of_client(&error, role))?;
        tracing::info!(token = id, address, area = view.area, until = %view.until, "joined an area");
        Ok(view)
    }

    /// Does what a command wants.
    pub(super) async fn answer(&self, request: Request) -> Answer {
        match self.carry_out(request).await {
            Ok(shown) => Answer::Done(shown),
            Err(refusal) => Answer::Failed(refusal),
        }
    }

    async fn carry_out(&self, request: Request) -> Result<Value, Refusal> {
        match request {
            Request::InitAuthority { area, trust_domain, domains } => {
                let view = ask(&self.init, InitAuthority { trust_domain, area, domains }).await?;
                let view = view.map_err(|error| of_authority(&error))?;
                tracing::info!(area = view.area, root = ?view.roots, "made the authority of an area");
                self.shown(Some(view)).await
            }
            Request::ShowArea => match ask(&self.show, ShowAuthority).await? {
                Ok(view) => self.shown(Some(view)).await,
                Err(AuthorityError::None) => self.shown(None).await,
                Err(error) => Err(of_authority(&error)),
            },
            Request::ShowNear => match self.near.get() {
                Some(near) => value(&ask(near, Sightings).await?),
                None => Err(Refusal::new(exit::FAILED, "the agent is starting: ask again in a moment")),
            },
            Request::Revoke { serial, device, user, reason } => {
                let target = match (serial, device, user) {
                    (Some(serial), None, None) => RevokeTarget::Serial(serial),
                    (None, Some(device), None) => RevokeTarget::Device(devices::meant(&self.store, &self.fog, device)?),
                    (None, None, Some(user)) => RevokeTarget::User(user),
                    _ => return Err(Refusal::new(exit::USAGE, "expected a serial number, a device or a user")),
                };
                let revoked = ask(&self.revoke, Revoke { target, reason, by: Caller::agent() }).await?;
                let serials = match revoked {
                    Ok(serials) => serials,
                    Err(error) => return Err(self.hindered(error).await),
                };
                tracing::info!(?serials, "revoked certificates by a command on this machine");
                Ok(json!({ "serials": serials }))
            }
            Request::Rotate { finish } => {
                let view = match ask(&self.rotate, Rotate { finish }).await? {
                    Ok(view) => view,
                    Err(error) => return Err(self.hindered(error).await),
                };
                tracing::info!(finish, roots = ?view.roots, "changed the root by a command on this machine");
                self.shown(Some(view)).await
            }
            Request::RevocationList => match ask(&self.list, RevocationList).await? {
                Ok(pem) => Ok(json!({ "pem": pem })),
                Err(error) => Err(self.hindered(error).await),
            },
            Request::CreateToken(new) => self.create(new).await,
            Request::ListTokens => self.tokens(),
            Request::DeleteToken { id } => self.delete(&id).await,
            Request::ShowAgents => self.fog.show().await,
            Request::ChangeRole { device, role } => self.fog.change(device, &role).await,
            Request::ForgetAgent { device } => self.fog.forget(&device).await,
            Request::Join { token, role } => {
                let token = token.parse().map_err(|error| Refusal::new(exit::USAGE, format!("{error}")))?;
                let view = self.join(token, role).await?;
                Ok(json!({ "membership": value(&view)? }))
            }
        }
    }

    /// The authority, if there is one, and what the agent belongs to.
    async fn shown(&self, authority: Option<AuthorityView>) -> Result<Value, Refusal> {
        let membership = self.membership().await?;
        if authority.is_none() && membership.is_none() {
            return Err(of_authority(&AuthorityError::None));
        }
        let listens = (self.bound)().map(|address| address.to_string());
        let address = authority.as_ref().and_then(|_| self.address().ok()).filter(|address| !address.is_empty());
        Ok(json!({
            "authority": authority.map(|view| value(&view)).transpose()?,
            "membership": membership.map(|view| value(&view)).transpose()?,
            "listens": listens,
            "address": address,
        }))
    }

    /// The refusal, and for a member where its command belongs.
    async fn hindered(&self, error: AuthorityError) -> Refusal {
        let refusal = of_authority(&error);
        let has_none = match error {
            AuthorityError::None => true,
            AuthorityError::NotFound(_) => {
                matches!(ask(&self.show, ShowAuthority).await, Ok(Err(AuthorityError::None)))
            }
            _ => false,
        };
        match self.membership().await {
            Ok(Some(member)) if has_none => {
                let found = if matches!(error, AuthorityError::None) { String::new() } else { format!("{error}; ") };
                let leader = member.leader;
                let message =
                    format!("{found}this agent is a member: run this at the agent that leads the area ({leader})");
                Refusal::new(refusal.exit, message)
            }
            _ => refusal,
        }
    }

    /// Where others find this agent; empty while nothing listens.
    fn address(&self) -> Result<String, Refusal> {
        if !self.advertise.is_empty() {
            return Ok(self.advertise.clone());
        }
        let Some(bound) = (self.bound)() else { return Ok(String::new()) };
        if !bound.ip().is_unspecified() {
            return Ok(bound.to_string());
        }
        let found = mf2c_machine::own_address(&mf2c_machine::Roots::default());
        found.map(|ip| SocketAddr::new(ip, bound.port()).to_string()).ok_or_else(|| {
            let reason = "this machine has no address that others could call: name one with --address HOST:PORT, or in \
                          `link.advertise`";
            Refusal::new(exit::FAILED, reason)
        })
    }

    async fn create(&self, new: NewToken) -> Result<Value, Refusal> {
        let address = match new.address {
            Some(address) => address,
            None => self.address()?,
        };
        if address.is_empty() {
            if let Err(error) = ask(&self.show, ShowAuthority).await? {
                return Err(self.hindered(error).await);
            }
            let reason = "nothing listens for other agents, the log tells why: mend `link.listen` and restart the agent, \
                          or name with --address where they are let in";
            return Err(Refusal::new(exit::FAILED, reason));
        }
        let message = CreateToken {
            role: new.role,
            area: new.area,
            ttl: Duration::from_secs(new.ttl),
            device: new.device,
            names: new.names,
            address,
            without_secret: new.without_secret,
        };
        let token = match ask(&self.token, message).await? {
            Ok(token) => token,
            Err(error) => return Err(self.hindered(error).await),
        };
        tracing::info!(token = token.id, role = %new.role, "made a join token by a command on this machine");
        let id = ResourceId::new("join-token", &token.id).ok();
        let expires = id.and_then(|id| self.read(id.as_str())).map(|token| token["expires"].clone());
        Ok(json!({ "token": token.to_string(), "id": token.id, "address": token.address, "expires": expires }))
    }

    fn tokens(&self) -> Result<Value, Refusal> {
        // Their natural order is that of their making.
        let newest = self.store.all("join-token").into_iter().rev().take(LONGEST_LIST);
        let read = newest.filter_map(|document| self.read(document.id.as_str()));
        let secret = ["digest", "acl", "operations", "resourceURI"];
        let shown = read.map(|token| token.into_iter().filter(|(name, _)| !secret.contains(&name.as_str())).collect());
        Ok(Value::Array(shown.map(Value::Object).collect()))
    }

    /// A document as it is stored. A command may wait for the disk: it has a thread of its own.
    fn read(&self, id: &str) -> Option<Map<String, Value>> {
        let document = self.store.get(id)?;
        serde_json::from_slice(&self.store.body(&document).ok()??).ok()
    }

    async fn delete(&self, id: &str) -> Result<Value, Refusal> {
        let id = ResourceId::new("join-token", id).map_err(|error| Refusal::new(exit::USAGE, error.to_string()))?;
        let delete = DeleteResource { id: id.clone(), if_match: None, by: Caller::agent() };
        let sent = tokio::time::timeout(PATIENCE, self.writer.send(delete)).await;
        match sent.map_err(|_| busy())?.map_err(|_| gone())? {
            Ok(_) => {
                tracing::info!(token = id.name(), "took a join token back by a command on this machine");
                Ok(Value::Null)
            }
            Err(StoreError::NotFound { .. }) => {
                let message =
                    format!("there is no token `{}`: `mf2c token list` shows those that there are", id.name());
                Err(Refusal::new(exit::NOT_FOUND, message))
            }
            Err(error) => Err(Refusal::new(exit::FAILED, error.to_string())),
        }
    }
}

/// Asks an actor, and waits for it no longer than commands do.
pub(super) async fn ask<M>(actor: &Recipient<M>, message: M) -> Result<M::Result, Refusal>
where
    M: Message + Send,
    M::Result: Send,
{
    let sent = tokio::time::timeout(PATIENCE, actor.send(message)).await;
    sent.map_err(|_| busy())?.map_err(|_| gone())
}

fn busy() -> Refusal {
    Refusal::new(exit::FAILED, format!("the agent did not get it done within {PATIENCE:?}; its log tells more"))
}

fn gone() -> Refusal {
    Refusal::new(exit::FAILED, "the agent is stopping; ask it again when it runs")
}

fn value(view: &impl Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(view).map_err(|error| Refusal::new(exit::FAILED, error.to_string()))
}

fn of_authority(error: &AuthorityError) -> Refusal {
    let exit = match error {
        AuthorityError::None | AuthorityError::NotFound(_) => exit::NOT_FOUND,
        AuthorityError::Exists | AuthorityError::Member(_) => exit::CONFLICT,
        AuthorityError::Refused(_) => exit::USAGE,
        AuthorityError::Failed(_) => exit::FAILED,
    };
    Refusal::new(exit, error.to_string())
}

fn of_client(error: &CaClientError, role: MemberRole) -> Refusal {
    let exit = match error {
        CaClientError::Member(_) => exit::CONFLICT,
        CaClientError::Link(LinkError::Unreachable { .. } | LinkError::Untrusted { .. }) => exit::UNREACHABLE,
        CaClientError::Link(LinkError::NoMembership) => exit::NOT_FOUND,
        CaClientError::Link(LinkError::Refused(refused)) => match refused.code {
            Code::Auth
            | Code::Forbidden
            | Code::Revoked
            | Code::TokenInvalid
            | Code::TokenUsed
            | Code::TokenExpired => exit::FORBIDDEN,
            Code::NotLeader | Code::Busy => exit::UNREACHABLE,
            _ => exit::FAILED,
        },
        CaClientError::Unusable(_) | CaClientError::Failed(_) => exit::FAILED,
    };
    let other = if role == MemberRole::Agent { MemberRole::Leader } else { MemberRole::Agent };
    let hint = match error {
        CaClientError::Link(LinkError::Refused(refused)) if refused.msg.contains("another role") => {
            format!(" (this agent asked to be admitted as {role}; try `mf2c join --role {other}`)")
        }
        _ => String::new(),
    };
    Refusal::new(exit, format!("{error}{hint}"))
}

#[cfg(test)]
mod tests {
    use mf2c_fabric::wire::WireError;

    use super::*;

    #[test]
    fn every_refusal_has_the_exit_code_of_its_kind() {
        let refused = |code, msg: &str| CaClientError::Link(LinkError::Refused(WireError::new(code, msg)));
        let unreachable = LinkError::Unreachable { address: "h:1".into(), reason: "refused".into() };
        let untrusted = LinkError::Untrusted { address: "h:1".into(), reason: "another root".into() };
        for (error, exit) in [
            (refused(Code::TokenUsed, "the token has been used"), exit::FORBIDDEN),
            (refused(Code::Internal, "oh"), exit::FAILED),
            (refused(Code::Busy, "later"), exit::UNREACHABLE),
            (unreachable.into(), exit::UNREACHABLE),
            (untrusted.into(), exit::UNREACHABLE),
            (CaClientError::Member("pier".into()), exit::CONFLICT),
            (CaClientError::Unusable("no".into()), exit::FAILED),
        ] {
            assert_eq!(of_client(&error, MemberRole::Agent).exit, exit, "{error}");
        }
        let wrong = refused(Code::Forbidden, "the token does not allow this: it was made for another role");
        assert!(of_client(&wrong, MemberRole::Agent).message.ends_with("try `mf2c join --role leader`)"));
        assert_eq!(of_authority(&AuthorityError::None).exit, exit::NOT_FOUND);
        assert_eq!(of_authority(&AuthorityError::Exists).exit, exit::CONFLICT);
    }
}
