//! Those who certify behind `/certauths/rest/`: the authorities' files, their work off the threads that answer requests,
//! and the record of every certificate before it is handed out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use actix::Recipient;
use mf2c_actors::certificate_authority::{AuthorityError, Permit, RecordForeign};
use mf2c_actors::ports::World;
use mf2c_domain::area::token::JoinToken;
use mf2c_domain::legacy::certauths::CaName;
use mf2c_facade::certauths::{CertAuths, Certified, Refused};
use mf2c_pki::certauths::{CertAuth, CertAuthError, SignedLeaf};
use tokio::sync::Semaphore;

/// Making an RSA key keeps a core busy for some tenths of a second: so many do it at a time,
const WORKING: usize = 2;
/// and so many more may wait for them.
const WAITING: usize = 16;

/// The authorities of one agent.
#[derive(Clone)]
pub(crate) struct LegacyAuthorities(Arc<Office>);

struct Office {
    data_dir: PathBuf,
    world: World,
    records: Recipient<RecordForeign>,
    known: Mutex<BTreeMap<CaName, Arc<CertAuth>>>,
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl LegacyAuthorities {
    /// Those whose files are in `certauths/` of a data directory; they are made when they are first asked for.
    pub(crate) fn new(data_dir: PathBuf, world: World, records: Recipient<RecordForeign>) -> Self {
        Self(Arc::new(Office {
            data_dir,
            world,
            records,
            known: Mutex::default(),
            places: Arc::new(Semaphore::new(WORKING + WAITING)),
            turns: Arc::new(Semaphore::new(WORKING)),
        }))
    }

    /// One of them, for who asks it without a door. It may take a moment.
    pub(crate) fn authority(&self, ca: CaName) -> Result<Arc<CertAuth>, CertAuthError> {
        self.0.authority(ca)
    }

    /// Has work done with an authority, off this thread and when its turn has come.
    fn with<T: Send + 'static>(
        &self,
        ca: CaName,
        work: impl FnOnce(&CertAuth, &World) -> Result<T, CertAuthError> + Send + 'static,
    ) -> impl Future<Output = Result<T, Refused>> + 'static {
        let office = Arc::clone(&self.0);
        async move {
            let place = Arc::clone(&office.places).try_acquire_owned().map_err(|_| Refused::Busy)?;
            let turn = Arc::clone(&office.turns).acquire_owned().await.map_err(|_| Refused::Busy)?;
            let done = tokio::task::spawn_blocking(move || {
                // Given back when the work is done, also where nobody waits for it any more.
                let _held = (place, turn);
                work(&*office.authority(ca)?, &office.world)
            })
            .await;
            done.map_err(|error| failed(ca, &error))?.map_err(|error| refused(ca, error))
        }
    }
}

impl Office {
    /// An authority. Whoever asks for another one waits while it is made.
    fn authority(&self, ca: CaName) -> Result<Arc<CertAuth>, CertAuthError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(authority) = known.get(&ca) {
            return Ok(Arc::clone(authority));
        }
        let now = self.world.clock.now();
        let authority = Arc::new(CertAuth::load_or_create(&self.data_dir, ca, now, &*self.world.entropy)?);
        known.insert(ca, Arc::clone(&authority));
        Ok(authority)
    }

    /// Writes down a certificate; only then may it go out.
    async fn record(&self, ca: CaName, leaf: &SignedLeaf, permit: Permit) -> Result<(), Refused> {
        let device = (!ca.trusted).then(|| leaf.common_name.clone());
        let record = RecordForeign {
            certificate: leaf.der.clone(),
            issuer: ca.to_string(),
            device,
            public_key_pem: leaf.public_key_pem.clone(),
            permit,
        };
        let recorded = self.records.send(record).await.map_err(|error| failed(ca, &error))?;
        recorded.map_err(|error| match error {
            AuthorityError::None => Refused::NoAuthority(error.to_string()),
            AuthorityError::Exists | AuthorityError::Member(_) => Refused::Conflict(error.to_string()),
            AuthorityError::Refused(reason) | AuthorityError::NotFound(reason) => Refused::Forbidden(reason),
            AuthorityError::Failed(_) => failed(ca, &error),
        })
    }
}

impl CertAuths for LegacyAuthorities {
    fn certificate(&self, ca: CaName) -> Certified {
        Box::pin(self.with(ca, |authority, _| Ok(authority.certificate().to_owned())))
    }

    fn sign(&self, ca: CaName, request: String, token: Option<JoinToken>) -> Certified {
        let office = Arc::clone(&self.0);
        let signed =
            self.with(ca, move |authority, world| authority.sign(&request, world.clock.now(), &*world.entropy));
        Box::pin(async move {
            let leaf = signed.await?;
            office.record(ca, &leaf, token.map_or(Permit::Device, Permit::Token)).await?;
            tracing::info!(%ca, name = leaf.common_name, "certified an agent");
            Ok(leaf.pem)
        })
    }

    fn make(&self, ca: CaName, common_name: String) -> Certified {
        let office = Arc::clone(&self.0);
        let made =
            self.with(ca, move |authority, world| authority.make(&common_name, world.clock.now(), &*world.entropy));
        Box::pin(async move {
            let (key, leaf) = made.await?;
            office.record(ca, &leaf, Permit::Operator).await?;
            tracing::info!(%ca, name = leaf.common_name, "certified a part of the infrastructure");
            Ok(key + &leaf.pem)
        })
    }
}

fn refused(ca: CaName, error: CertAuthError) -> Refused {
    match error {
        CertAuthError::Request(_) | CertAuthError::Name(_) | CertAuthError::Asked(_) => {
            Refused::Wrong(error.to_string())
        }
        CertAuthError::Ended { .. } | CertAuthError::Files(_) | CertAuthError::Make(_) => failed(ca, &error),
    }
}

fn failed(ca: CaName, error: &(dyn std::error::Error + 'static)) -> Refused {
    tracing::error!(%ca, error, "a certificate authority of the original failed");
    Refused::Failed
}
