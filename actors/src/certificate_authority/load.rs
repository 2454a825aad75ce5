//! What the documents tell at the start: which certificates there are, which tokens have been used.

use std::collections::HashMap;

use mf2c_domain::area::token::TokenUse;
use mf2c_pki::area::Serial;
use mf2c_store::{Store, StoreError};

use super::issue::role_of;
use super::record::{self, Stored};
use super::register::{Entry, Issuer, Register, Standing};
use super::tokens;

/// See the module.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) register: Register,
    /// Tokens that have been used, by their id.
    pub(super) used: HashMap<String, TokenUse>,
    /// Tokens that need no secret, with their device.
    pub(super) open: Vec<(String, String)>,
    /// Used tokens whose documents do not say so yet, with the serial number of the certificate.
    pub(super) unmarked: Vec<(String, String)>,
}

/// Reads all documents of certificates and tokens. It blocks: the documents of certificates are on disk.
pub(super) fn look(store: &Store) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    for document in store.all(record::KIND) {
        let Some(body) = store.body(&document)? else { continue };
        match serde_json::from_slice::<Stored<'_>>(&body) {
            Ok(stored) => {
                if let (Some(id), Some(key)) = (stored.token(), stored.key()) {
                    let used = TokenUse { key, serial: stored.serial.to_string(), at: issued_at(&stored) };
                    loaded.used.insert(id.to_owned(), used);
                }
                take(&mut loaded.register, &stored);
            }
            Err(error) => tracing::error!(id = %document.id, %error, "a document of a certificate cannot be read"),
        }
    }
    for document in store.all(tokens::KIND) {
        let Some(token) = tokens::read(store, document.id.name()) else { continue };
        let id = document.id.name().to_owned();
        if let Some(used) = loaded.used.get(&id).filter(|_| token.state != "USED") {
            loaded.unmarked.push((id.clone(), used.serial.clone()));
        }
        if let Some(device) = token.device.filter(|_| token.without_secret) {
            loaded.open.push((id, device));
        }
    }
    loaded.used.retain(|id, _| store.get(&format!("{}/{id}", tokens::KIND)).is_some());
    Ok(loaded)
}

/// Takes up one document that was added later.
pub(super) fn learn(register: &mut Register, body: &[u8]) {
    if let Ok(stored) = serde_json::from_slice::<Stored<'_>>(body) {
        take(register, &stored);
    }
}

fn take(register: &mut Register, stored: &Stored<'_>) {
    let Ok(serial) = stored.serial.parse::<Serial>() else { return };
    if register.get(&serial).is_some() {
        return;
    }
    let issuer = match &*stored.kind {
        "area" => Issuer::Root,
        "agent" | "leader" | "user" => Issuer::Area,
        _ => Issuer::Other,
    };
    let entry = Entry {
        issuer,
        device: stored.device.as_deref().map(Into::into),
        user: stored.user.as_deref().map(Into::into),
        until: stored.until(),
        revoked: stored.revoked(),
    };
    register.insert(serial, entry);
    if let Some(device) = stored.device.as_deref().filter(|_| matches!(&*stored.kind, "agent" | "leader")) {
        let leads = stored.area.clone().filter(|_| stored.kind == "leader");
        let (role, names) = (role_of(&stored.kind), stored.names.clone());
        register.admit(device, Standing { since: stored.from(), role, leads, names });
    }
}

/// When a certificate was issued: it is dated back.
fn issued_at(stored: &Stored<'_>) -> mf2c_domain::time::Timestamp {
    super::issue::later(stored.from(), mf2c_pki::area::BACKDATED)
}
