//! Changing roles: `roleChange`, `keepalive` and `reelection`.

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Payload;
use mf2c_actors::leadership::{ChangeRole, Keepalive, KeepaliveError, RoleError};
use mf2c_domain::area::standing::{AreaRole, Standing};
use mf2c_store::StoreError;
use serde::Deserialize;
use serde_json::json;

use super::{Call, imagined};
use crate::error::ApiError;

/// The largest body, in bytes.
const LARGEST: usize = 4096;
/// The longest `deviceID`.
const LONGEST_DEVICE: usize = 128;

/// Who is meant.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "deviceID")]
    device: String,
}

impl Call<'_> {
    /// `GET /roleChange/{role}`: 200 where it is done, 403 where that is not its turn, 404 where there is no such role.
    pub(super) async fn change(&self, role: &str) -> Result<HttpResponse, ApiError> {
        let wanted = match role {
            "leader" => AreaRole::Leader,
            "backup" => AreaRole::Backup,
            "agent" => AreaRole::Agent,
            _ => {
                let text = "there is no such role: expected leader, backup or agent";
                return Err(ApiError::new(StatusCode::NOT_FOUND, text));
            }
        };
        self.only(&[Method::GET], "GET")?;
        self.authority.may_change(self.exchange)?;
        let standing = self.policies.standing();
        if !is_next(standing.role, wanted) {
            return Ok(refused(&standing, &format!("a {} does not become {role}", standing.role.as_str())));
        }
        let change = ChangeRole { agent: None, role: wanted, by: self.authority.demand(&standing) };
        match self.policies.change.send(change).await.map_err(|_| StoreError::Stopping)? {
            Ok(standing) => Ok(HttpResponse::Ok().json(imagined(&standing))),
            Err(error) => Ok(refused(&self.policies.standing(), &error.to_string())),
        }
    }

    /// `POST /keepalive`: 200 with a place in the line, 403 where who asks is no backup, 405 where this agent does not lead.
    pub(super) async fn keepalive(&self, payload: Payload) -> Result<HttpResponse, ApiError> {
        self.only(&[Method::POST], "POST")?;
        self.authority.may_change(self.exchange)?;
        let device = self.named(payload).await?;
        let answer = |status: StatusCode, priority: i64| {
            HttpResponse::build(status).json(json!({ "deviceID": device, "backupPriority": priority }))
        };
        if !self.authority.speaks_for(&device) {
            return Ok(answer(StatusCode::FORBIDDEN, -2));
        }
        let alive = Keepalive { device: device.clone() };
        Ok(match self.policies.keepalive.send(alive).await.map_err(|_| StoreError::Stopping)? {
            Ok(place) => answer(StatusCode::OK, place.into()),
            Err(KeepaliveError::NotBackup) => answer(StatusCode::FORBIDDEN, -2),
            Err(KeepaliveError::NotLeader) => answer(StatusCode::METHOD_NOT_ALLOWED, -3),
        })
    }

    /// `POST /reelection`: hands the leadership over.
    pub(super) async fn reelection(&self, payload: Payload) -> Result<HttpResponse, ApiError> {
        self.only(&[Method::POST], "POST")?;
        self.authority.may_change(self.exchange)?;
        let device = self.named(payload).await?;
        let standing = self.policies.standing();
        let answer = |status: StatusCode, ip: String, message: Option<String>| {
            let mut body = json!({ "deviceID": device, "deviceIP": ip });
            if let Some(message) = message {
                body["message"] = message.into();
            }
            HttpResponse::build(status).json(body)
        };
        let not_leader = "only the leader of an area hands its leadership over".to_owned();
        if !standing.leads() {
            return Ok(answer(StatusCode::UNAUTHORIZED, String::new(), Some(not_leader)));
        }
        let by = self.authority.demand(&standing);
        let change = ChangeRole { agent: Some(device.clone()), role: AreaRole::Leader, by };
        Ok(match self.policies.change.send(change).await.map_err(|_| StoreError::Stopping)? {
            Ok(standing) => answer(StatusCode::OK, ip_of(&device, &standing), None),
            Err(error) => {
                let status = match error {
                    RoleError::Unknown(_) => StatusCode::NOT_FOUND,
                    RoleError::NotLeader(_) | RoleError::Alone => StatusCode::UNAUTHORIZED,
                    RoleError::NotNow(_) | RoleError::Stale { .. } => StatusCode::FORBIDDEN,
                };
                answer(status, String::new(), Some(error.to_string()))
            }
        })
    }

    async fn named(&self, payload: Payload) -> Result<String, ApiError> {
        let body = self.exchange.bytes(payload, LARGEST).await?;
        let wrong =
            || ApiError::bad_request("the body names no device: expected JSON such as {\"deviceID\": \"5f0c…\"}");
        let named: Named = serde_json::from_slice(&body).map_err(|_| wrong())?;
        let good = !named.device.is_empty() && named.device.len() <= LONGEST_DEVICE;
        if good { Ok(named.device) } else { Err(wrong()) }
    }
}

/// Whether one role follows on another by a demand: as in the original only a backup becomes leader.
fn is_next(now: AreaRole, wanted: AreaRole) -> bool {
    matches!(
        (now, wanted),
        (AreaRole::Backup, AreaRole::Leader | AreaRole::Agent)
            | (AreaRole::Agent, AreaRole::Backup)
            | (AreaRole::Leader, AreaRole::Agent)
    )
}

fn refused(standing: &Standing, message: &str) -> HttpResponse {
    let mut body = imagined(standing);
    body["message"] = message.into();
    HttpResponse::Forbidden().json(body)
}

/// The address of a device among those who lead or may.
fn ip_of(device: &str, standing: &Standing) -> String {
    let peers = standing.leader.iter().chain(&standing.backups);
    let found = peers.into_iter().find(|peer| peer.id.device().is_some_and(|known| known.starts_with(device)));
    let host = found.and_then(|peer| peer.address.rsplit_once(':')).map_or("", |(host, _)| host);
    host.trim_matches(['[', ']']).to_owned()
}

#[cfg(test)]
mod tests {
    use mf2c_domain::area::standing::AreaPeer;

    use super::*;

    #[test]
    fn only_a_backup_becomes_leader_and_nobody_becomes_what_he_is() {
        use AreaRole::{Agent, Alone, Backup, Leader};
        let all = [Alone, Agent, Backup, Leader];
        let steps: Vec<_> = all.iter().flat_map(|now| all.map(|wanted| (*now, wanted))).collect();
        let good: Vec<_> = steps.into_iter().filter(|(now, wanted)| is_next(*now, *wanted)).collect();
        assert_eq!(good, [(Agent, Backup), (Backup, Agent), (Backup, Leader), (Leader, Agent)]);
    }

    #[test]
    fn the_address_of_a_device_is_known_where_it_leads_or_may() {
        let peer = |device: &str, address: &str| AreaPeer {
            id: format!("spiffe://d/area/a1/agent/{device}").parse().unwrap(),
            address: address.to_owned(),
        };
        let standing = Standing {
            leader: Some(peer("aa11", "10.0.0.1:8444")),
            backups: vec![peer("bb22", "[2001:db8::2]:8444")],
            ..Standing::default()
        };
        let known = ["aa11", "bb22", "cc33"].map(|device| ip_of(device, &standing));
        assert_eq!(known, ["10.0.0.1", "2001:db8::2", ""]);
    }
}
