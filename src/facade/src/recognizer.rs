//! Recognizes the tokens of sessions. Those that were checked lately are known: checking the signature again would cost
//! more than the rest of many a request.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, PoisonError, RwLock};

use mf2c_auth::token::{TokenKey, is_same};
use mf2c_domain::caller::Caller;
use mf2c_domain::time::Timestamp;

/// So many tokens are known at a time; a new one takes the place of another.
const PLACES: usize = 1024;

/// Checks tokens with the agent's key.
pub struct Recognizer {
    key: Arc<TokenKey>,
    /// Where a token may be is told by its text, so that nobody waits for more than one place.
    places: Box<[RwLock<Option<Known>>]>,
    hasher: RandomState,
}

/// A token of ours, and who shows it.
struct Known {
    token: Box<str>,
    caller: Caller,
}

impl Recognizer {
    /// One that knows no token yet.
    #[must_use]
    pub fn new(key: Arc<TokenKey>) -> Self {
        let places = (0..PLACES).map(|_| RwLock::default()).collect();
        Self { key, places, hasher: RandomState::new() }
    }

    /// Who shows this token, if it is one of ours and holds at `now`. Whether the session is still there is not asked.
    #[must_use]
    pub fn caller(&self, token: &str, now: Timestamp) -> Option<Caller> {
        // Only good tokens have a place, so that those of strangers push nobody out.
        let place = &self.places[self.hasher.hash_one(token) as usize % PLACES];
        let known = place.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| is_same(&known.token, token)) {
            return known.caller.holds(now).then(|| known.caller.clone());
        }
        drop(known);
        let claims = self.key.verify(token, now)?;
        let end = Timestamp::from_millis(i64::try_from(claims.exp).ok()?.checked_mul(1000)?);
        let roles = claims.roles.split(' ').filter(|role| !role.is_empty());
        let caller = Caller::new(&claims.username, roles).until(end);
        caller.session().filter(|session| *session == claims.session)?;
        let known = Known { token: token.into(), caller: caller.clone() };
        *place.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Some(caller)
    }
}

#[cfg(test)]
mod tests {
    use mf2c_auth::token::Claims;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }

    fn claims(session: &str) -> Claims {
        Claims {
            username: "jane".into(),
            roles: format!("USER ANON {session}"),
            session: session.into(),
            exp: 1_700_000_010,
        }
    }

    #[test]
    fn a_known_token_says_what_it_said_and_ends_when_it_ends() {
        let key = Arc::new(TokenKey::from_bytes(&[1; 32]));
        let recognizer = Recognizer::new(Arc::clone(&key));
        let token = key.sign(&claims("session/1"));
        for _ in 0..2 {
            let caller = recognizer.caller(&token, now()).unwrap();
            assert_eq!((caller.identity(), caller.session()), (Some("jane"), Some("session/1")));
        }
        assert_eq!(recognizer.caller(&token, Timestamp::from_millis(1_700_000_010_000)), None);
        assert!(recognizer.caller(&token, now()).is_some());
    }

    #[test]
    fn more_tokens_than_places_are_all_recognized_and_others_never() {
        let key = Arc::new(TokenKey::from_bytes(&[1; 32]));
        let recognizer = Recognizer::new(Arc::clone(&key));
        for round in 0..2 {
            for number in 0..3 * PLACES {
                let session = format!("session/{number}");
                let token = key.sign(&claims(&session));
                let caller = recognizer.caller(&token, now()).unwrap();
                assert_eq!(caller.session(), Some(session.as_str()), "round {round}");
                let forged = TokenKey::from_bytes(&[2; 32]).sign(&claims(&session));
                assert_eq!(recognizer.caller(&forged, now()), None);
                assert_eq!(recognizer.caller(&token[1..], now()), None);
            }
        }
        let other = Claims { session: "session/2".into(), ..claims("session/1") };
        assert_eq!(recognizer.caller(&key.sign(&other), now()), None, "another session than the role's");
    }
}
