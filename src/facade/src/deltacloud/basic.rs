//! Basic authentication (RFC 7617): who asks, by a user's name and password or by an API key and its secret.
//!
//! The proof comes with every request, and checking a password is made to cost something: so proofs that were good lately are
//! known by a salted hash, for a short while, and as long as no document has changed that they rest on. What is known is still
//! refused while its name is locked for who asks: an answer would tell guessers that they have guessed right.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mf2c_actors::session_manager::{MayTry, Proof, Prove, Proven, SignInError};
use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::Entropy;
use mf2c_store::StoreError;
use sha2::{Digest as _, Sha256};

use crate::cimi::Api;
use crate::proxy;
use actix_web::HttpRequest;

/// The longest header that is read, in bytes: a name of 100 and a password of 1024 in base64, and room.
const LONGEST: usize = 4096;
/// So many proofs are known at a time; a new one takes the place of another.
const PLACES: usize = 256;
/// For so long a proof is known.
const LIFE: Duration = Duration::from_secs(60);

/// A name and what proves it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name, or the id of an API key.
    pub name: String,
    /// The password, or the key's secret.
    pub secret: String,
}

/// Shows the name alone.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads the header `authorization`; none where it is of another scheme or cannot be read.
    #[must_use]
    pub fn read(header: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(header.get(..LONGEST.min(header.len()))?).ok()?;
        let (scheme, encoded) = text.trim().split_once(' ')?;
        if header.len() > LONGEST || !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        // Some clients leave the padding out.
        let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let decoded = GeneralPurpose::new(&STANDARD, lenient).decode(encoded.trim()).ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        let (name, secret) = decoded.split_once(':').filter(|(name, _)| !name.is_empty())?;
        Some(Self { name: name.to_owned(), secret: secret.to_owned() })
    }

    /// The name of a user counts as that; where nobody has it, an API key may.
    fn proof(self, api: &Api) -> Proof {
        let Self { name, secret } = self;
        let has = |id: &str| api.store.get(id).is_some();
        let is_key = name.starts_with("credential/") || has(&format!("credential/{name}"));
        if is_key && !has(&format!("user/{name}")) {
            Proof::Key { key: name, secret }
        } else {
            Proof::Password { username: name, password: secret }
        }
    }
}

/// A salted hash of credentials.
type Digest = [u8; 32];

/// The gates of those who wait for one proof.
type Turns = Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>;

/// A proof that was good.
struct Known {
    digest: Digest,
    proven: Proven,
    /// Until when it is known, since the start.
    until: Duration,
}

/// Checks credentials, and knows for a while those that were good.
pub(super) struct Basic {
    salt: [u8; 32],
    places: Box<[Mutex<Option<Known>>]>,
    /// What is being proven: who brings the same waits, so that a client which asks many things at once proves itself once.
    turns: Turns,
}

impl Basic {
    /// One that knows nobody yet.
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        let mut salt = [0; 32];
        entropy.fill(&mut salt);
        Self { salt, places: (0..PLACES).map(|_| Mutex::default()).collect(), turns: Mutex::default() }
    }

    /// Who it is, with the rights that he has at this instant.
    ///
    /// # Errors
    /// [`SignInError`].
    pub(super) async fn check(
        &self,
        api: &Api,
        request: &HttpRequest,
        credentials: Credentials,
    ) -> Result<Caller, SignInError> {
        let digest = self.digest(&credentials);
        let proof = credentials.proof(api);
        let source = proxy::client(request, &api.settings.trusted_proxies);
        // Only good ones have a place, so that those of strangers push nobody out.
        let place = &self.places[usize::from(digest[0]) % PLACES];
        let turn = Turn::new(&self.turns, digest);
        let _mine = turn.gate.lock().await;
        if let Some(caller) = known(place, api, &digest) {
            if let Some(name) = proof.name() {
                api.sessions.send(MayTry { name, source }).await.map_err(|_| StoreError::Stopping)??;
            }
            return Ok(caller);
        }
        let proven = api.sessions.send(Prove { proof, source }).await;
        let proven = proven.map_err(|_| StoreError::Stopping)??;
        let caller = proven.caller.clone();
        let until = api.world.clock.elapsed() + LIFE;
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(Known { digest, proven, until });
        Ok(caller)
    }

    fn digest(&self, Credentials { name, secret }: &Credentials) -> Digest {
        let length = u64::try_from(name.len()).unwrap_or(u64::MAX).to_be_bytes();
        Sha256::new()
            .chain_update(self.salt)
            .chain_update(length)
            .chain_update(name)
            .chain_update(secret)
            .finalize()
            .into()
    }
}

/// One who waits for his turn with a proof, or has it. The last one takes the entry away, also when he gives up.
struct Turn<'a> {
    turns: &'a Turns,
    digest: Digest,
    gate: Arc<tokio::sync::Mutex<()>>,
}

impl<'a> Turn<'a> {
    fn new(turns: &'a Turns, digest: Digest) -> Self {
        let gate = turns.lock().unwrap_or_else(PoisonError::into_inner).entry(digest).or_default().clone();
        Self { turns, digest, gate }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // One in the table, and this one.
        if Arc::strong_count(&self.gate) == 2 {
            turns.remove(&self.digest);
        }
    }
}

/// Whom a proof is known to prove, if nothing has changed since. Whatever is changed has another revision: the password, the
/// roles and the state of the account, and the key.
fn known(place: &Mutex<Option<Known>>, api: &Api, digest: &Digest) -> Option<Caller> {
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    let known = place.as_ref().filter(|known| known.digest == *digest)?;
    let same = known
        .proven
        .basis
        .iter()
        .all(|(id, revision)| api.store.get(id.as_str()).is_some_and(|document| document.revision == *revision));
    let holds = api.world.clock.elapsed() < known.until && known.proven.caller.holds(api.world.clock.now());
    let caller = known.proven.caller.clone();
    if same && holds {
        return Some(caller);
    }
    *place = None;
    None
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    fn read(header: &str) -> Option<(String, String)> {
        Credentials::read(header.as_bytes()).map(|read| (read.name, read.secret))
    }

    #[test]
    fn names_and_passwords_are_read_as_clients_write_them() {
        let jane = Some(("jane".to_owned(), "a:b ü".to_owned()));
        let encoded = BASE64_STANDARD.encode("jane:a:b ü");
        for header in [
            format!("Basic {encoded}"),
            format!("basic  {encoded} "),
            format!("BASIC {}", BASE64_STANDARD_NO_PAD.encode("jane:a:b ü")),
        ] {
            assert_eq!(read(&header), jane, "{header}");
        }
        assert_eq!(read(&format!("Basic {}", BASE64_STANDARD.encode("jane:"))), Some(("jane".into(), String::new())));
        for header in [
            String::new(),
            "Basic".to_owned(),
            "Basic !".to_owned(),
            format!("Bearer {encoded}"),
            format!("Basic {}", BASE64_STANDARD.encode("jane")),
            format!("Basic {}", BASE64_STANDARD.encode(":secret")),
            format!("Basic {}", BASE64_STANDARD.encode(b"a:\xff")),
            format!("Basic {}", BASE64_STANDARD.encode(format!("jane:{}", "x".repeat(LONGEST)))),
        ] {
            assert_eq!(read(&header), None, "{header:.40}");
        }
        assert!(!format!("{:?}", Credentials::read(format!("Basic {encoded}").as_bytes())).contains("a:b"));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Credentials::read(&bytes);
            let _ = Credentials::read(&[b"Basic ", BASE64_STANDARD.encode(&bytes).as_bytes()].concat());
        }
    }
}
