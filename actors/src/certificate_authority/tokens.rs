//! Join tokens as the authority knows them: the documents, and in memory what was used, what is being used right now, and
//! who guesses.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::token::{Secret, TokenAsk, TokenRecord, TokenRefusal, TokenUse, Verdict, judge};
use mf2c_domain::people::throttle::{Limits, Throttle, Wait};
use mf2c_domain::time::Timestamp;
use mf2c_store::Store;
use serde::Deserialize;

/// The type of the documents.
pub(super) const KIND: &str = "join-token";
/// So many refused replays of one token are told in events; the rest only in the log.
const EVENTS: u8 = 3;

/// The document of a token.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stored {
    pub(super) role: MemberRole,
    pub(super) area: String,
    pub(super) device: Option<String>,
    #[serde(default)]
    pub(super) names: Vec<String>,
    pub(super) expires: String,
    #[serde(default)]
    pub(super) state: String,
    digest: String,
    #[serde(default)]
    pub(super) without_secret: bool,
}

#[derive(Debug)]
struct Used {
    by: TokenUse,
    told: u8,
}

/// See the module.
pub(super) struct Tokens {
    used: HashMap<String, Used>,
    /// The key of the certificate that is on its way to the disk.
    in_flight: HashMap<String, [u8; 32]>,
    /// Tokens that need no secret, by their device.
    open: BTreeMap<String, Vec<String>>,
    throttle: Throttle,
}

/// Why a token is of no use.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// There is none, or the secret is wrong: nobody learns which.
    Invalid,
    /// Too many wrong secrets from there.
    Wait(Wait),
    /// The same request is being answered at this moment.
    InFlight,
    /// It was used by somebody else.
    Replayed {
        /// Whether that is worth an event.
        tell: bool,
    },
    /// Any other refusal.
    Refused(TokenRefusal),
}

impl Tokens {
    pub(super) fn new() -> Self {
        let throttle = Throttle::new(Limits::default());
        Self { used: HashMap::new(), in_flight: HashMap::new(), open: BTreeMap::new(), throttle }
    }

    /// The document of a token, if its bearer knows the secret. Each wrong one is charged to the source.
    pub(super) fn proved(
        &mut self,
        store: &Store,
        id: &str,
        secret: &Secret,
        source: IpAddr,
        elapsed: Duration,
    ) -> Result<Stored, Unusable> {
        self.throttle.admit(source, None, elapsed).map_err(Unusable::Wait)?;
        let found = read(store, id);
        // What nobody has is compared too, so that the time tells nothing.
        let kept = found.as_ref().map_or("", |found| &found.digest);
        let right = secret.fits(if kept.is_empty() { NOBODYS } else { kept });
        match found {
            Some(found) if right => {
                self.throttle.withdrawn(source, None);
                Ok(found)
            }
            _ => Err(Unusable::Invalid),
        }
    }

    /// Whether so much may be tried from there without a token; [`Tokens::settle`] gives back what was charged.
    pub(super) fn admit(&mut self, source: IpAddr, elapsed: Duration) -> Result<(), Wait> {
        self.throttle.admit(source, None, elapsed)
    }

    pub(super) fn settle(&mut self, source: IpAddr) {
        self.throttle.withdrawn(source, None);
    }

    /// Whether a token may be used for this, now. If so, it is reserved until [`Tokens::release`].
    pub(super) fn reserve(
        &mut self,
        id: &str,
        token: &Stored,
        ask: &TokenAsk<'_>,
        now: Timestamp,
    ) -> Result<Verdict, Unusable> {
        let used = self.used.get(id).map(|used| used.by.clone());
        let flying = self.in_flight.get(id);
        let record = TokenRecord {
            id: id.to_owned(),
            role: token.role,
            area: token.area.clone(),
            device: token.device.clone(),
            expires: Timestamp::parse(&token.expires).unwrap_or_default(),
            used,
        };
        match judge(&record, ask, now) {
            Ok(Verdict::Issue) => match flying {
                None => {
                    self.in_flight.insert(id.to_owned(), ask.key);
                    Ok(Verdict::Issue)
                }
                Some(key) if *key == ask.key => Err(Unusable::InFlight),
                Some(_) => Err(Unusable::Replayed { tell: false }),
            },
            Ok(repeat) => Ok(repeat),
            Err(TokenRefusal::Used) => {
                let other = self.used.get_mut(id).filter(|used| used.by.key != ask.key);
                Err(Unusable::Replayed { tell: other.is_some_and(Used::tell) })
            }
            Err(refusal) => Err(Unusable::Refused(refusal)),
        }
    }

    /// Ends a reservation; with the use if the certificate is on disk.
    pub(super) fn release(&mut self, id: &str, used: Option<TokenUse>) {
        self.in_flight.remove(id);
        if let Some(by) = used {
            self.used.insert(id.to_owned(), Used { by, told: 0 });
        }
    }

    /// Takes up a token that was stored, or made, without a secret.
    pub(super) fn opened(&mut self, id: &str, device: &str) {
        self.open.entry(device.to_owned()).or_default().push(id.to_owned());
    }

    /// The tokens of a device that need no secret, the newest first, used ones among them.
    pub(super) fn open_for(&self, device: &str) -> Vec<String> {
        self.open.get(device).map(|ids| ids.iter().rev().cloned().collect()).unwrap_or_default()
    }

    /// Forgets what there is no document of any more.
    pub(super) fn forget(&mut self, is_there: impl Fn(&str) -> bool) {
        self.used.retain(|id, _| is_there(id));
        self.open.retain(|_, ids| {
            ids.retain(|id| is_there(id));
            !ids.is_empty()
        });
    }
}

impl Stored {
    /// Whether this is the secret of the token.
    pub(super) fn accepts(&self, secret: &Secret) -> bool {
        secret.fits(&self.digest)
    }
}

/// The digest of nothing that anybody has.
const NOBODYS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl Used {
    fn tell(&mut self) -> bool {
        self.told = self.told.saturating_add(1);
        self.told <= EVENTS
    }
}

/// The document of a token, if there is one.
pub(super) fn read(store: &Store, id: &str) -> Option<Stored> {
    let document = store.get(&format!("{KIND}/{id}"))?;
    let body = store.body(&document).ok()??;
    serde_json::from_slice(&body).ok()
}
