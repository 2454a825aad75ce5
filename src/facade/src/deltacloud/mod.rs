//! Deltacloud's API for keys (`spec/facades.md` 2): the entry point, and the keys by which somebody gets into machines.
//!
//! A key is a credential of its user: an SSH key or the login for a machine. It is the same document that CIMI shows, made and
//! deleted by the same rules. Who asks is told by Basic authentication, checked as the sign-in of CIMI is.

pub mod accept;
mod basic;
mod call;
mod entry;
pub mod form;
mod html;
mod json;
mod keys;
mod markup;
pub mod path;
mod refusal;
mod shown;
mod xml;

use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use mf2c_domain::entropy::Entropy;

use basic::Basic;
pub use basic::Credentials;
use call::Call;

use crate::cimi::Api;

/// The version of Deltacloud's API that answers here.
pub const VERSION: &str = "1.1.3";

/// Drivers of Deltacloud's own server. A client may name one; the keys are the same.
const KNOWN_DRIVERS: [&str; 16] = [
    "mock",
    "ec2",
    "openstack",
    "digitalocean",
    "eucalyptus",
    "gogrid",
    "rackspace",
    "rhevm",
    "vsphere",
    "opennebula",
    "sbc",
    "azure",
    "google",
    "terremark",
    "fgcp",
    "rimuhosting",
];
/// Of these, the ones whose clouds give out passwords.
const PASSWORD_DRIVERS: [&str; 1] = ["gogrid"];

/// What a key is, and which of them are made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyType {
    /// SSH keys, which can be made and deleted.
    #[default]
    Key,
    /// Logins of a name and a password, which are only shown.
    Password,
}

impl KeyType {
    /// As answers write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Password => "password",
        }
    }
}

/// What the operator says of the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltacloudSettings {
    /// The name of the driver in answers.
    pub driver: String,
    /// Which keys are made here.
    pub key_type: KeyType,
}

/// The door.
pub struct DeltacloudDoor {
    settings: DeltacloudSettings,
    basic: Basic,
}

impl DeltacloudDoor {
    /// One at which nobody has been yet.
    #[must_use]
    pub fn new(settings: DeltacloudSettings, entropy: &dyn Entropy) -> Self {
        Self { settings, basic: Basic::new(entropy) }
    }
}

/// Adds the endpoints to an application that has nothing else.
pub fn configure_root(services: &mut ServiceConfig, door: &Data<DeltacloudDoor>, api: &Data<Api>) {
    services.app_data(Data::clone(door)).app_data(Data::clone(api)).default_service(web::to(answer));
}

async fn answer(request: HttpRequest, payload: Payload, api: Data<Api>, door: Data<DeltacloudDoor>) -> HttpResponse {
    let mut call = Call::new(&api, &request, &door);
    let answered = match call.read() {
        Ok(()) => call.answer(payload).await,
        Err(refusal) => Err(refusal),
    };
    let response = answered.unwrap_or_else(|refusal| call.refused(refusal));
    call.finished(response)
}
