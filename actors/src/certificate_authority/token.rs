//! Making join tokens.

use std::time::Duration;

use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::spiffe::{check_area, check_device};
use mf2c_domain::area::token::{JoinToken, LONGEST_LIFE, check_address};
use mf2c_domain::resource::types::area::join_token;
use mf2c_store::NewDocument;
use serde_json::json;

use super::issue::later;
use super::names::{plain, shown};
use super::seat::Seat;
use super::{AuthorityError, CertificateAuthority, CreateToken, tokens};

/// The most tokens that are kept, used and expired ones included.
const MOST: usize = 10_000;
/// The most host names of a token.
const MOST_NAMES: usize = 32;

impl CertificateAuthority {
    /// A new token with its document.
    pub(super) fn make_token(&self, asked: &CreateToken) -> Result<(JoinToken, NewDocument), AuthorityError> {
        let seat = self.seat.as_ref().ok_or(AuthorityError::None)?;
        self.check_token(seat, asked).map_err(AuthorityError::Refused)?;
        let token = JoinToken::new(seat.root_hash(), &seat.leader(), asked.address.clone(), &*self.world.entropy);
        let mut body = json!({
            "role": asked.role.as_str(),
            "area": asked.area.as_deref().unwrap_or(seat.area_name()),
            "expires": later(self.now(), asked.ttl).to_string(),
            "state": "OPEN",
            "digest": token.secret.digest(),
            "withoutSecret": asked.without_secret,
        });
        if let Some(device) = &asked.device {
            body["device"] = device.as_str().into();
        }
        if !asked.names.is_empty() {
            body["names"] = asked.names.iter().map(|name| plain(name)).collect();
        }
        let document =
            self.document(&join_token::SPEC, body, Some(token.id.clone())).map_err(AuthorityError::Failed)?;
        Ok((token, document))
    }

    fn check_token(&self, seat: &Seat, asked: &CreateToken) -> Result<(), String> {
        if asked.ttl < Duration::from_secs(1) || asked.ttl > Duration::from_secs(LONGEST_LIFE) {
            return Err(format!("a token cannot hold for {} s: expected 1 s to 24 h", asked.ttl.as_secs()));
        }
        if self.store.count(tokens::KIND) >= MOST {
            return Err(format!("there are {MOST} join tokens already: delete some, or wait until they end"));
        }
        check_address(&asked.address).map_err(|error| error.to_string())?;
        if let Some(device) = &asked.device {
            check_device(device).map_err(|error| error.to_string())?;
        }
        self.check_area_of(seat, asked)?;
        if asked.names.len() > MOST_NAMES {
            return Err(format!("{} host names are too many: expected at most {MOST_NAMES}", asked.names.len()));
        }
        if let Some(name) = asked.names.iter().find(|name| !seat.area.vouches_for(&plain(name))) {
            return Err(format!(
                "the area's authority cannot vouch for the name `{}`: expected an address, or a host name below a domain given to `mf2c ca init --domain`",
                shown(name)
            ));
        }
        match (asked.without_secret, &asked.device, asked.role) {
            (true, None, _) => Err("a token without a secret must name its device: add `--device ID`".to_owned()),
            (true, _, MemberRole::Leader) => {
                Err("a leader joins with a secret: leave out `--without-secret`".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn check_area_of(&self, seat: &Seat, asked: &CreateToken) -> Result<(), String> {
        match (asked.role, &asked.area) {
            (MemberRole::Agent, None) => Ok(()),
            (MemberRole::Agent, Some(area)) if area == seat.area_name() => Ok(()),
            (MemberRole::Agent, Some(area)) => Err(format!(
                "agents join the area `{}` here: for `{}`, make the token where that area is led",
                seat.area_name(),
                shown(area)
            )),
            (MemberRole::Leader, None) => {
                Err("a leader's token names the area that it will lead: add `--area NAME`".to_owned())
            }
            (MemberRole::Leader, Some(_)) if seat.roots.is_empty() => Err(
                "the key of the root is not on this machine, so no leader can be admitted here: make the token where the root is"
                    .to_owned(),
            ),
            (MemberRole::Leader, Some(area)) => {
                check_area(area).map_err(|error| error.to_string())?;
                self.check_led(area, asked.device.as_deref().unwrap_or_default())
            }
        }
    }
}
