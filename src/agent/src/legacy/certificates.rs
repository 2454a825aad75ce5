//! The documents of certificates, as the doors of the original look at them.

use std::sync::Arc;

use mf2c_domain::area::token::hex;
use mf2c_domain::caller::Caller;
use mf2c_domain::filter::{Comparison, Filter, Literal, Op};
use mf2c_domain::path::Path;
use mf2c_domain::query::Query;
use mf2c_domain::resource::types::area::certificate::SPEC;
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_pki::area::{Credentials, Serial};
use mf2c_store::Store;
use serde::Deserialize;

/// The most certificates of one device that are looked at, the newest first.
const MOST: u64 = 100;

/// What of a document matters here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Certificate {
    kind: String,
    state: String,
    not_before: String,
    not_after: String,
    public_key: String,
    /// The certified key in PEM.
    pub(super) public_key_pem: Option<String>,
    /// The certificate in PEM.
    pub(super) pem: String,
}

impl Certificate {
    /// Whether it was issued at a door of the original, holds now and is not revoked.
    pub(super) fn counts(&self, now: Timestamp) -> bool {
        let until = Timestamp::parse(&self.not_after);
        self.kind == "legacy" && self.state == "VALID" && until.is_some_and(|until| now < until)
    }

    /// Whether more than a third of its life is left.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        let (Some(from), Some(until)) = (Timestamp::parse(&self.not_before), Timestamp::parse(&self.not_after)) else {
            return false;
        };
        (until.nanos() - now.nanos()) * 3 > until.nanos() - from.nanos()
    }

    /// Whether it is for the key with this SHA-256.
    pub(super) fn is_for(&self, key: &[u8; 32]) -> bool {
        self.public_key == hex(key)
    }
}

/// See the module.
#[derive(Clone)]
pub(super) struct Certificates {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
}

impl Certificates {
    pub(super) fn new(store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Those of a device, the newest first. It may read the disk.
    pub(super) fn of_device(&self, device: &str) -> Result<Vec<Certificate>, String> {
        let path = Path::parse("device").ok_or("there is no such attribute")?;
        let filter = Filter::Compare(Comparison { path, op: Op::Eq, value: Literal::text(device) });
        let query = Query { filter: Some(filter), last: Some(MOST), ..Query::everything() };
        let found = self.store.find(&SPEC, &query, &Caller::agent()).map_err(|error| error.to_string())?;
        let mut certificates = vec![];
        for document in found.documents {
            let Some(body) = self.store.body(&document).map_err(|error| error.to_string())? else { continue };
            certificates.push(serde_json::from_slice(&body).map_err(|error| error.to_string())?);
        }
        Ok(certificates)
    }

    /// The device that a join token was made for, if it was made for one. It may read the disk.
    pub(super) fn device_of_token(&self, id: &str) -> Option<String> {
        #[derive(Deserialize)]
        struct Token {
            device: Option<String>,
        }
        let document = self.store.get(&format!("join-token/{id}"))?;
        let body = self.store.body(&document).ok()??;
        serde_json::from_slice::<Token>(&body).ok()?.device
    }

    /// Whether a certificate is revoked. One that cannot be looked up is; one that was issued elsewhere is not.
    pub(super) fn is_revoked(&self, serial: &Serial) -> bool {
        #[derive(Deserialize)]
        struct State {
            state: String,
        }
        let Some(document) = self.store.get(&format!("certificate/{serial}")) else { return false };
        match self.store.body(&document) {
            Ok(Some(body)) => serde_json::from_slice::<State>(&body).map_or(true, |found| found.state != "VALID"),
            Ok(None) => false,
            Err(_) => true,
        }
    }
}

/// The identifier of this device: the one in its certificate, or else in its description.
pub(super) fn own_device(store: &Store, credentials: &Credentials) -> Option<String> {
    #[derive(Deserialize)]
    struct Device {
        #[serde(rename = "deviceID")]
        device_id: String,
    }
    if let Some(membership) = credentials.membership() {
        return membership.own.id.device().map(str::to_owned);
    }
    let document = store.get(&format!("device/{}", store.identity().name()))?;
    let body = store.body(&document).ok()??;
    serde_json::from_slice::<Device>(&body).ok().map(|device| device.device_id)
}
