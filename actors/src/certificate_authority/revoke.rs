//! Revoking: in memory at once, then in the documents, then in a list that everybody is told of.

use mf2c_domain::area::renewal::GRACE;
use mf2c_domain::caller::Caller;
use mf2c_domain::filter::{Comparison, Filter, Literal, Op};
use mf2c_domain::id::ResourceId;
use mf2c_domain::legacy::identity::common_name;
use mf2c_domain::path::Path;
use mf2c_domain::query::Query;
use mf2c_domain::resource::types::area::certificate;
use mf2c_domain::time::Timestamp;
use mf2c_pki::area::Serial;
use mf2c_store::StoreError;
use serde_json::{Map, Value, json};

use super::issue::later;
use super::names::shown;
use super::register::Entry;
use super::{AuthorityError, CertificateAuthority, Revoke, RevokeTarget, load, record};
use crate::resource_store::EditResource;

/// What comes of it if the leader loses its own certificate: nobody opens a link to it any more.
const SHUTS_OUT: &str = "to revoke its own certificate would shut out the whole area. It renews that by itself; to end the area, \
                         stop the agent and remove `ca/` and `member/` from its data directory";
/// The longest reason, in bytes.
const LONGEST_REASON: usize = 500;

impl CertificateAuthority {
    /// Finds what is meant, and believes it no longer. What cannot be written is believed again: [`Self::restore`].
    pub(super) fn begin_revoking(&mut self, revoke: &Revoke) -> Result<Vec<Serial>, AuthorityError> {
        let now = self.now();
        if revoke.reason.as_ref().is_some_and(|reason| reason.len() > LONGEST_REASON) {
            return Err(AuthorityError::Refused(format!(
                "the reason is too long: expected at most {LONGEST_REASON} bytes"
            )));
        }
        let serials = self.find(&revoke.target, now)?;
        if !serials.iter().all(|serial| self.may_revoke(serial, &revoke.by)) {
            return Err(AuthorityError::Refused(
                "credentials required: only administrators and its user revoke a certificate".to_owned(),
            ));
        }
        for serial in &serials {
            self.register.set_revoked(serial, Some(now));
            self.note_heritage(serial, Some(now));
        }
        Ok(serials)
    }

    fn find(&mut self, target: &RevokeTarget, now: Timestamp) -> Result<Vec<Serial>, AuthorityError> {
        let nothing = |what: &str, name: &str| {
            AuthorityError::NotFound(format!("no certificate of the {what} `{}` holds here", shown(name)))
        };
        let found = match target {
            RevokeTarget::Serial(text) => return self.find_serial(text, now).map(|serial| vec![serial]),
            RevokeTarget::Device(device) => {
                if self.seat.as_ref().is_some_and(|seat| seat.state.device == *device) {
                    return Err(AuthorityError::Refused(format!(
                        "this device leads the area: {SHUTS_OUT}; those of its users are revoked by their serial numbers"
                    )));
                }
                // A door of the original knows devices by their common names.
                let mut serials = self.register.valid_of_device(device, now);
                serials.extend(self.register.valid_of_device(common_name(device), now));
                // What has ended could still be renewed with its key, and whoever has that shall not come back.
                let renewable = self.register.renewable_of_device(device, now, GRACE);
                serials.extend(renewable.into_iter().filter(|_| self.settings.renew_after_expiry));
                serials.sort();
                serials.dedup();
                (serials, "device", device)
            }
            RevokeTarget::User(user) => {
                if self.seat.is_none() {
                    self.learn_of_user(user)?;
                }
                let own = self.seat.as_ref().map(|seat| seat.state.device.as_str());
                let mut serials = self.register.valid_of_user(user, now);
                // A user of the same name at another agent is somebody else.
                serials.retain(|serial| {
                    let device = self.register.get(serial).and_then(|entry| entry.device.as_deref());
                    own.is_none_or(|own| device == Some(own))
                });
                (serials, "user", user)
            }
        };
        let (serials, what, name) = found;
        if serials.is_empty() { Err(nothing(what, name)) } else { Ok(serials) }
    }

    fn find_serial(&mut self, text: &str, now: Timestamp) -> Result<Serial, AuthorityError> {
        let serial: Serial = text.parse().map_err(AuthorityError::Refused)?;
        if self.register.get(&serial).is_none() {
            self.learn(&serial.to_string());
        }
        let own = self.seat.as_ref().is_some_and(|seat| seat.is_own(&serial));
        let entry = self.register.get(&serial);
        match entry {
            None => Err(AuthorityError::NotFound(format!("there is no certificate {serial} here"))),
            Some(_) if own => Err(AuthorityError::Refused(format!(
                "{serial} is the authority's own certificate: change the root with `mf2c ca rotate`"
            ))),
            Some(entry) if self.is_of_leader(entry, now) => Err(AuthorityError::Refused(format!(
                "{serial} is the certificate with which this agent leads the area: {SHUTS_OUT}"
            ))),
            Some(entry) => match entry.revoked {
                Some(at) => Err(AuthorityError::Refused(format!("the certificate {serial} was revoked at {at}"))),
                None if now >= self.last_use(entry) => {
                    Err(AuthorityError::Refused(format!("the certificate {serial} ended by itself at {}", entry.until)))
                }
                None => Ok(serial),
            },
        }
    }

    /// Whether it is a certificate with which this agent shows itself to its members.
    fn is_of_leader(&self, entry: &Entry, now: Timestamp) -> bool {
        let is_here = self.seat.as_ref().is_some_and(|seat| entry.device.as_deref() == Some(&*seat.state.device));
        is_here && entry.is_of_agent() && entry.revoked.is_none() && now < entry.until
    }

    /// Until when a certificate is of any use: that of an agent may be good for its own renewal after its end.
    fn last_use(&self, entry: &Entry) -> Timestamp {
        let renewable = self.settings.renew_after_expiry && entry.is_of_agent();
        if renewable { later(entry.until, GRACE) } else { entry.until }
    }

    /// Those that have a document here that still says that they are valid. They are believed no longer.
    pub(super) fn begin_hearing(&mut self, serials: Vec<Serial>) -> Vec<Serial> {
        let now = self.now();
        let mut heard = Vec::new();
        for serial in serials {
            if self.register.get(&serial).is_none() {
                self.learn(&serial.to_string());
            }
            if self.register.get(&serial).is_some_and(|entry| entry.revoked.is_none()) {
                self.register.set_revoked(&serial, Some(now));
                heard.push(serial);
            }
        }
        heard
    }

    /// Takes up a document that another part of this agent has added.
    fn learn(&mut self, serial: &str) {
        let Some(document) = self.store.get(&format!("{}/{serial}", record::KIND)) else { return };
        if let Ok(Some(body)) = self.store.body(&document) {
            load::learn(&mut self.register, &body);
        }
    }

    fn learn_of_user(&mut self, user: &str) -> Result<(), AuthorityError> {
        let Some(path) = Path::parse("user") else { return Ok(()) };
        let filter = Filter::Compare(Comparison { path, op: Op::Eq, value: Literal::text(user) });
        let query = Query { filter: Some(filter), ..Query::everything() };
        for document in self.store.find(&certificate::SPEC, &query, &Caller::agent())?.documents {
            self.learn(document.id.name());
        }
        Ok(())
    }

    fn may_revoke(&self, serial: &Serial, by: &Caller) -> bool {
        let document = self.store.get(&format!("{}/{serial}", record::KIND));
        by.is_admin() || document.is_some_and(|document| document.acl.can_modify(by))
    }

    /// Writes it into the documents, all at once; those that could not be written, with why.
    pub(super) fn write_revoked(
        &self,
        serials: &[Serial],
        reason: Option<&str>,
        by: &Caller,
    ) -> impl Future<Output = Vec<(Serial, StoreError)>> + use<> {
        let mut changes = json!({"state": "REVOKED", "revokedAt": self.now().to_string()});
        if let Some(reason) = reason {
            changes["reason"] = reason.into();
        }
        let changes: Map<String, Value> = changes.as_object().cloned().unwrap_or_default();
        let edits: Vec<_> = serials
            .iter()
            .filter_map(|serial| {
                let id = ResourceId::new(record::KIND, &serial.to_string()).ok()?;
                let edit =
                    EditResource { id, changes: changes.clone(), removed: vec![], if_match: None, by: by.clone() };
                let writer = self.writer.clone();
                // They are sent before any is waited for, so that they share a sync.
                Some((serial.clone(), actix::spawn(async move { writer.send(edit).await })))
            })
            .collect();
        async move {
            let mut failed = Vec::new();
            for (serial, edit) in edits {
                match edit.await {
                    // One that was never written is nobody's.
                    Ok(Ok(Ok(_) | Err(StoreError::NotFound { .. }))) => {}
                    Ok(Ok(Err(error))) => failed.push((serial, error)),
                    Ok(Err(_)) | Err(_) => failed.push((serial, StoreError::Stopping)),
                }
            }
            failed
        }
    }

    /// Takes back what could not be written.
    pub(super) fn restore(&mut self, failed: &[(Serial, StoreError)]) -> Result<(), AuthorityError> {
        for (serial, _) in failed {
            self.register.set_revoked(serial, None);
            self.note_heritage(serial, None);
        }
        match failed.first() {
            None => Ok(()),
            Some((serial, error)) => {
                Err(AuthorityError::Failed(format!("the certificate {serial} is not revoked: {error}")))
            }
        }
    }
}
