//! Behind the regional CAU: which device gets a certificate, and for what.

use std::sync::Arc;

use actix::Recipient;
use mf2c_actors::certificate_authority::{AuthorityError, Permit, RecordForeign};
use mf2c_actors::ports::World;
use mf2c_domain::legacy::certauths::CaName;
use mf2c_domain::legacy::identity::common_name;
use mf2c_domain::legacy::request::CertRequest;
use mf2c_pki::area::Request;
use mf2c_pki::cau::mislabelled;
use mf2c_pki::certauths::{CertAuth, CertAuthError, SignedLeaf};
use mf2c_transport::cau::{CauAnswer, CauRefusal, RegionalCau};

use super::certificates::Certificates;
use crate::certauths::LegacyAuthorities;
use crate::config::{Config, KeyLabel};

/// The authority that certifies agents.
const ISSUER: CaName = CaName { owner: "it2", trusted: false };

/// See the module.
#[derive(Clone)]
pub(super) struct Cau {
    label: KeyLabel,
    certificates: Certificates,
    record: Recipient<RecordForeign>,
    world: World,
    authorities: LegacyAuthorities,
}

/// What became of a request that was looked at.
enum Looked {
    /// The device has this certificate for this key already, and it will hold for long enough.
    Again(String),
    /// Signed, but not to be handed out before it is recorded.
    Signed { leaf: SignedLeaf, permit: Permit, stranger: bool },
}

impl Cau {
    pub(super) fn new(
        config: &Config,
        certificates: Certificates,
        record: Recipient<RecordForeign>,
        authorities: LegacyAuthorities,
        world: &World,
    ) -> Self {
        Self { label: config.legacy.public_key_label, certificates, record, authorities, world: world.clone() }
    }

    /// The authority, made at its first use. It takes a moment then.
    fn signer(&self) -> Result<Arc<CertAuth>, CauRefusal> {
        self.authorities.authority(ISSUER).map_err(fault)
    }

    /// Reads the request, looks what is known of the device, and signs. It reads the disk and takes the processor.
    fn look(&self, request: CertRequest) -> Result<Looked, CauRefusal> {
        let device = request.device;
        let asked = Request::from_pem(&request.csr).map_err(|error| CauRefusal::Request(error.to_string()))?;
        let name = common_name(&device);
        if let Some(other) = asked.names().iter().find(|other| *other != name) {
            let other: String = other.escape_debug().take(100).collect();
            let reason = format!("the request asks for the name `{other}`, which is not the one of this device");
            return Err(CauRefusal::Forbidden(reason));
        }
        let (key, now) = (asked.key_hash(), self.certificates.now());
        let known = self.certificates.of_device(&device).map_err(|error| CauRefusal::Failed(explained(&error)))?;
        let same = known.iter().find(|known| known.is_for(&key) && known.counts(now));
        if let Some(same) = same.filter(|same| same.is_fresh(now)) {
            return Ok(Looked::Again(same.pem.clone()));
        }
        let permit = match (same, request.token) {
            // Whoever has the key of a certificate that counts may go on with it.
            (Some(_), _) => Permit::Operator,
            (None, None) => Permit::Device,
            (None, Some(token)) => {
                let others = self.certificates.device_of_token(&token.id).filter(|allowed| *allowed != device);
                if others.is_some() {
                    return Err(CauRefusal::Forbidden("the join token was made for another device".to_owned()));
                }
                Permit::Token(token)
            }
        };
        let leaf = self.signer()?.sign_for(&asked, name, now, &*self.world.entropy).map_err(|error| match error {
            CertAuthError::Request(_) | CertAuthError::Name(_) | CertAuthError::Asked(_) => {
                CauRefusal::Request(error.to_string())
            }
            other => fault(other),
        })?;
        Ok(Looked::Signed { leaf, permit, stranger: !known.is_empty() })
    }

    async fn certify_device(self, request: CertRequest) -> Result<String, CauRefusal> {
        let device = request.device.clone();
        let here = self.clone();
        let looked = off_thread(move || here.look(request)).await?;
        let (leaf, permit, stranger) = match looked {
            Looked::Again(pem) => return Ok(pem),
            Looked::Signed { leaf, permit, stranger } => (leaf, permit, stranger),
        };
        let recorded = RecordForeign {
            certificate: leaf.der,
            issuer: ISSUER.to_string(),
            device: Some(device),
            public_key_pem: leaf.public_key_pem,
            permit,
        };
        let stopping = || CauRefusal::Unavailable("the agent is stopping".to_owned());
        match self.record.send(recorded).await.map_err(|_| stopping())? {
            Ok(()) => Ok(leaf.pem),
            Err(AuthorityError::None) => {
                let reason = "this agent has no certificate authority, and nobody can have a join token for it";
                Err(CauRefusal::Unavailable(reason.to_owned()))
            }
            Err(AuthorityError::Failed(reason)) => Err(CauRefusal::Failed(explained(&reason))),
            // The device is known, and this is not its key.
            Err(error) if stranger => Err(CauRefusal::Forbidden(error.to_string())),
            Err(error) => Err(CauRefusal::Permit(error.to_string())),
        }
    }

    fn look_up(&self, device: &str) -> Result<String, CauRefusal> {
        let now = self.certificates.now();
        let known = self.certificates.of_device(device).map_err(|error| CauRefusal::Failed(explained(&error)))?;
        let newest = known.into_iter().find(|known| known.counts(now));
        let pem = newest.and_then(|newest| newest.public_key_pem);
        let pem = pem.ok_or_else(|| CauRefusal::Unknown(format!("no device `{device}` has been certified here")))?;
        Ok(match self.label {
            KeyLabel::Original => mislabelled(&pem),
            KeyLabel::Standard => pem,
        })
    }
}

impl RegionalCau for Cau {
    fn certify(&self, request: CertRequest) -> CauAnswer<String> {
        Box::pin(self.clone().certify_device(request))
    }

    fn public_key(&self, device: String) -> CauAnswer<String> {
        let here = self.clone();
        Box::pin(off_thread(move || here.look_up(&device)))
    }

    fn authority(&self) -> CauAnswer<String> {
        let here = self.clone();
        Box::pin(off_thread(move || Ok(here.signer()?.certificate().to_owned())))
    }
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CauRefusal> + Send + 'static,
) -> Result<T, CauRefusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(CauRefusal::Unavailable("the agent is stopping".to_owned())))
}

fn fault(error: impl std::fmt::Display) -> CauRefusal {
    CauRefusal::Failed(explained(&error.to_string()))
}

/// Faults of ours are told to the operator, not to whoever asks.
fn explained(error: &str) -> String {
    tracing::error!(error, "the regional CAU failed");
    "the CAU failed; its log tells more".to_owned()
}
