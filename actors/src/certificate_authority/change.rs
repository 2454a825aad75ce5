//! Changes of the authority itself: made here, adopted, with another root, with other certificates. One at a time: nothing
//! else is done meanwhile.

use actix::prelude::*;
use mf2c_domain::area::spiffe::{SpiffeId, Subject, check_area, check_device, check_trust_domain};
use mf2c_domain::time::Timestamp;
use mf2c_fabric::wire::AuthorityTrust;
use mf2c_pki::area::{AreaError, Authority, Facts, Issued, Request};
use mf2c_store::{NewDocument, StoreError};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::issue::{area_entry, certify, later};
use super::record::Record;
use super::register::{Entry, Issuer};
use super::seat::Seat;
use super::state::State;
use super::{AdoptArea, AuthorityError, AuthorityView, CertificateAuthority, InitAuthority};
use crate::resource_store::AddResource;

/// What a handler answers with.
pub(super) type Answered<T> = ResponseActFuture<CertificateAuthority, Result<T, AuthorityError>>;

#[derive(Deserialize)]
struct Device {
    #[serde(rename = "deviceID")]
    device_id: String,
}

/// A new authority that waits for its documents.
struct Founding {
    seat: Seat,
    documents: Vec<NewDocument>,
    issued: Issued,
}

impl CertificateAuthority {
    /// Writes documents, then goes on, with nothing in between: other messages wait.
    pub(super) fn alone<T: 'static>(
        &self,
        documents: Vec<NewDocument>,
        ctx: &mut Context<Self>,
        go_on: impl FnOnce(&mut Self, &mut Context<Self>) -> Result<T, AuthorityError> + 'static,
    ) -> Answered<T> {
        let (answer, answered) = oneshot::channel();
        let writing = self.write(documents).into_actor(self);
        ctx.wait(writing.map(move |written, authority, ctx| {
            let outcome = written.map_err(AuthorityError::from).and_then(|()| go_on(authority, ctx));
            // Who has asked may have gone away; the change stands.
            let _ = answer.send(outcome);
        }));
        let stopping = || Err(AuthorityError::Failed("the agent is stopping".to_owned()));
        Box::pin(async move { answered.await.unwrap_or_else(|_| stopping()) }.into_actor(self))
    }

    /// Stores documents, one behind the other.
    pub(super) fn write(&self, documents: Vec<NewDocument>) -> impl Future<Output = Result<(), StoreError>> + use<> {
        let writer = self.writer.clone();
        async move {
            for document in documents {
                writer.send(AddResource(document)).await.map_err(|_| StoreError::Stopping)??;
            }
            Ok(())
        }
    }

    /// `mf2c ca init`.
    pub(super) fn init(&mut self, init: InitAuthority, ctx: &mut Context<Self>) -> Answered<AuthorityView> {
        let Founding { seat, documents, issued } = match self.found(init) {
            Ok(founding) => founding,
            Err(error) => return Box::pin(async { Err(error) }.into_actor(self)),
        };
        self.alone(documents, ctx, move |authority, ctx| {
            seat.save_all()?;
            let root = Facts::of(&seat.root_certificates().concat()).ok();
            if let Some(root) = root {
                let entry =
                    Entry { issuer: Issuer::Other, device: None, user: None, until: root.not_after, revoked: None };
                authority.register.insert(root.serial, entry);
            }
            authority.register.insert(issued.serial.clone(), area_entry(&issued, None));
            tracing::info!(area = seat.area_name(), root = seat.view_root(), "made a certificate authority");
            authority.seat = Some(seat);
            authority.sign_and_announce(ctx)?;
            authority.view()
        })
    }

    fn found(&self, init: InitAuthority) -> Result<Founding, AuthorityError> {
        let refused = |error: &dyn std::fmt::Display| AuthorityError::Refused(error.to_string());
        let InitAuthority { trust_domain, area, domains } = init;
        if self.seat.is_some() {
            return Err(AuthorityError::Exists);
        }
        check_trust_domain(&trust_domain).map_err(|error| refused(&error))?;
        check_area(&area).map_err(|error| refused(&error))?;
        let now = self.now();
        if let Some(stored) = self.members.load(now)? {
            return Err(AuthorityError::Member(stored.membership.own.id.area().unwrap_or_default().to_owned()));
        }
        if Seat::has_keys(&self.files)? {
            return Err(AuthorityError::Refused(
                "`ca/` in the data directory holds keys of an authority that is not whole: restore it from a backup, or move it away".to_owned(),
            ));
        }
        let device = self.own_device()?;
        let unable = |error: AreaError| refused(&error);
        let root = Authority::new_root(&trust_domain, now, &*self.world.entropy).map_err(unable)?;
        let id = SpiffeId { trust_domain, subject: Subject::Area { area } };
        let area = Authority::new_area(&id).map_err(unable)?;
        let request = own_request(&area)?;
        let state = State { device, domains, sequence: 1, ..State::default() };
        let root_document = self.root_document(&root)?;
        let mut seat = Seat::new(self.files.clone(), area, Vec::new(), state);
        let (issued, area_document) = certify(&root, &seat, &request, &id, None, &self.world)?;
        seat.seal(root, issued.der.clone())?;
        Ok(Founding { seat, documents: vec![root_document, area_document], issued })
    }

    /// The `deviceID` of this agent: what it was told at start, or what its inventory has written.
    fn own_device(&self) -> Result<String, AuthorityError> {
        if let Some(device) = &self.settings.device {
            return Ok(device.clone());
        }
        let document = self.store.get(&format!("device/{}", self.store.identity().name()));
        let body = document.as_ref().and_then(|document| self.store.body(document).ok().flatten());
        let device = body.and_then(|body| serde_json::from_slice::<Device>(&body).ok());
        let device = device.ok_or_else(|| {
            AuthorityError::Failed(
                "this machine has no `device` document yet, which gives it its identity: try again in a moment, with `device.enabled = true`"
                    .to_owned(),
            )
        })?;
        check_device(&device.device_id).map_err(|error| AuthorityError::Refused(error.to_string()))?;
        Ok(device.device_id)
    }

    fn root_document(&self, root: &Authority) -> Result<NewDocument, AuthorityError> {
        let failed = |error: &dyn std::fmt::Display| AuthorityError::Failed(error.to_string());
        let der = root.certificates().first().map(Vec::as_slice).unwrap_or_default();
        let facts = Facts::of(der).map_err(|error| failed(&error))?;
        let record = Record {
            serial: &facts.serial,
            kind: "root",
            issuer: root.id().to_string(),
            subject: facts.subject.clone(),
            area: None,
            device: None,
            user: None,
            names: &[],
            from: facts.not_before,
            until: facts.not_after,
            key: facts.key,
            key_pem: String::new(),
            der,
            token: None,
            owner: None,
        };
        record.document(&*self.world.entropy).map_err(AuthorityError::Failed)
    }

    /// Becomes the authority of an area whose root is elsewhere.
    pub(super) fn adopt(&mut self, adopt: AdoptArea, ctx: &mut Context<Self>) -> Result<AuthorityView, AuthorityError> {
        let AdoptArea { authority, device, trust } = adopt;
        if self.seat.is_some() || self.kept.is_some() {
            return Err(AuthorityError::Exists);
        }
        check_device(&device).map_err(|error| AuthorityError::Refused(error.to_string()))?;
        if authority.certificates().is_empty() {
            return Err(AuthorityError::Refused(
                "an authority needs a certificate and a root that vouches for it".to_owned(),
            ));
        }
        let state = State { device, ..State::default() }.below(&trust, self.now())?;
        let seat = Seat::new(self.files.clone(), authority, Vec::new(), state);
        seat.save_all()?;
        tracing::info!(area = seat.area_name(), "became the certificate authority of an area");
        self.seat = Some(seat);
        self.sign_and_announce(ctx)?;
        self.view()
    }

    pub(super) fn take_upper(&mut self, trust: &AuthorityTrust, ctx: &mut Context<Self>) -> Result<(), AuthorityError> {
        let now = self.now();
        let seat = self.seat.as_mut().ok_or(AuthorityError::None)?;
        if !seat.roots.is_empty() {
            return Err(AuthorityError::Refused("the root is here: nobody above tells what to believe".to_owned()));
        }
        if seat.take_upper(trust, now)? {
            self.announce(ctx);
        }
        Ok(())
    }

    pub(super) fn take_certificates(
        &mut self,
        all: Vec<Vec<u8>>,
        ctx: &mut Context<Self>,
    ) -> Result<(), AuthorityError> {
        let seat = self.seat.as_mut().ok_or(AuthorityError::None)?;
        seat.take_certificates(all)?;
        tracing::info!(until = %seat.area.validity().1, "the area's authority has other certificates");
        self.announce(ctx);
        Ok(())
    }

    /// `mf2c ca rotate`: a second root beside the first.
    pub(super) fn begin_rotation(&mut self, ctx: &mut Context<Self>) -> Answered<AuthorityView> {
        let (root, documents, issued) = match self.second_root() {
            Ok(made) => made,
            Err(error) => return Box::pin(async { Err(error) }.into_actor(self)),
        };
        self.alone(documents, ctx, move |authority, ctx| {
            let now = authority.now();
            let seat = authority.seat.as_mut().ok_or(AuthorityError::None)?;
            // The old root's comes first: OpenSSL looks no further than the first issuer that fits, and its users know
            // the old root while the new one is made known.
            let mut certificates = seat.area.certificates().to_vec();
            certificates.push(issued.der.clone());
            seat.begin_change(root, certificates, now)?;
            authority.register.insert(issued.serial.clone(), area_entry(&issued, None));
            tracing::info!(sequence = authority.sequence(), "a second root is believed beside the first");
            authority.sign_and_announce(ctx)?;
            authority.view()
        })
    }

    fn second_root(&self) -> Result<(Authority, Vec<NewDocument>, Issued), AuthorityError> {
        let seat = self.seat.as_ref().ok_or(AuthorityError::None)?;
        check_root(seat)?;
        if let Some(since) = seat.state.changing_since() {
            let end = later(since, self.settings.overlap);
            return Err(AuthorityError::Refused(format!(
                "the root is being changed since {since}: wait until {end}, or end it with `mf2c ca rotate --finish`"
            )));
        }
        let refused = |error: AreaError| AuthorityError::Refused(error.to_string());
        let root = Authority::new_root(&seat.id().trust_domain, self.now(), &*self.world.entropy).map_err(refused)?;
        let request = own_request(&seat.area)?;
        let (issued, document) = certify(&root, seat, &request, seat.id(), None, &self.world)?;
        let documents = vec![self.root_document(&root)?, document];
        Ok((root, documents, issued))
    }

    /// `mf2c ca rotate --finish`, also by itself: the old root is believed no longer.
    pub(super) fn end_rotation(&mut self, ctx: &mut Context<Self>) -> Result<AuthorityView, AuthorityError> {
        let seat = self.seat.as_mut().ok_or(AuthorityError::None)?;
        check_root(seat)?;
        if seat.state.changing_since.is_none() {
            return Err(AuthorityError::Refused(
                "the root is not being changed: begin with `mf2c ca rotate`".to_owned(),
            ));
        }
        seat.end_change()?;
        tracing::info!(sequence = self.sequence(), "the old root is believed no longer");
        self.sign_and_announce(ctx)?;
        self.view()
    }

    /// Has the area's authority certified anew by each root, where the roots are here.
    pub(super) fn renew_area(&mut self, ctx: &mut Context<Self>) -> Result<Answered<()>, AuthorityError> {
        let seat = self.seat.as_ref().ok_or(AuthorityError::None)?;
        let request = own_request(&seat.area)?;
        let (mut documents, mut all) = (Vec::new(), Vec::new());
        for root in seat.roots.iter().rev() {
            let (issued, document) = certify(root, seat, &request, seat.id(), None, &self.world)?;
            documents.push(document);
            all.push(issued);
        }
        Ok(self.alone(documents, ctx, move |authority, ctx| {
            for issued in &all {
                authority.register.insert(issued.serial.clone(), area_entry(issued, None));
            }
            authority.take_certificates(all.into_iter().map(|issued| issued.der).collect(), ctx)
        }))
    }

    /// Whether the change of roots has lasted as long as it shall.
    pub(super) fn rotation_is_over(&self, now: Timestamp) -> bool {
        let since = self.seat.as_ref().and_then(|seat| seat.state.changing_since());
        since.is_some_and(|since| later(since, self.settings.overlap) <= now)
    }

    fn sequence(&self) -> u64 {
        self.seat.as_ref().map_or(0, |seat| seat.state.sequence)
    }
}

fn check_root(seat: &Seat) -> Result<(), AuthorityError> {
    if seat.roots.is_empty() {
        let text = "the key of the root is not on this machine: change the root where it is, and leaders are told by themselves";
        return Err(AuthorityError::Refused(text.to_owned()));
    }
    Ok(())
}

fn own_request(area: &Authority) -> Result<Request, AuthorityError> {
    let failed = |error: &dyn std::fmt::Display| AuthorityError::Failed(error.to_string());
    let request = area.request().map_err(|error| failed(&error))?;
    Request::from_der(&request).map_err(|error| failed(&error))
}
