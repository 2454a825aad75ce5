//! Challenges of the login: numbers that wait for a password. They are of no use after two minutes or the first
//! answer, and a start of the agent forgets them.
//!
//! They are counted for each user together with the network that asks, so that nobody keeps another one from signing
//! in; for each network; and in all.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mf2c_domain::entropy::Entropy;
use mf2c_domain::people::throttle::network;

/// How long one holds.
pub(in crate::deter) const HOLDS: Duration = Duration::from_secs(120);
/// The most that are open for one user from one network.
const MOST_OF_ONE: usize = 5;
/// The most that are open for one network.
const MOST_OF_SOURCE: usize = 200;
/// The most that are open.
const MOST: usize = 10_000;

/// Why there is no challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooMany {
    /// For this user.
    OfUser,
    /// For this network, or in all.
    OfAll,
}

/// See the module. The oldest first.
#[derive(Debug, Default)]
pub(in crate::deter) struct Challenges(Mutex<VecDeque<Open>>);

/// An open challenge.
#[derive(Debug)]
pub(super) struct Open {
    id: i64,
    user: String,
    source: IpAddr,
    ends: Duration,
}

impl Challenges {
    /// A new one for a user.
    pub(super) fn open(
        &self,
        user: &str,
        source: IpAddr,
        now: Duration,
        entropy: &dyn Entropy,
    ) -> Result<i64, TooMany> {
        let source = network(source);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forget(&mut open, now);
        let from_here = open.iter().filter(|challenge| challenge.source == source);
        let (mut all, mut of_user) = (0, 0);
        for challenge in from_here {
            all += 1;
            of_user += usize::from(challenge.user == user);
        }
        if of_user >= MOST_OF_ONE {
            return Err(TooMany::OfUser);
        }
        if all >= MOST_OF_SOURCE || open.len() >= MOST {
            return Err(TooMany::OfAll);
        }
        let mut bytes = [0; 8];
        entropy.fill(&mut bytes);
        let id = i64::from_le_bytes(bytes);
        open.push_back(Open { id, user: user.to_owned(), source, ends: now + HOLDS });
        Ok(id)
    }

    /// Whose it is. It stays.
    pub(super) fn user_of(&self, id: i64, now: Duration) -> Option<String> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forget(&mut open, now);
        open.iter().find(|challenge| challenge.id == id).map(|challenge| challenge.user.clone())
    }

    /// Takes one, so that nobody else answers it.
    pub(super) fn take(&self, id: i64, now: Duration) -> Option<Open> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forget(&mut open, now);
        let at = open.iter().position(|challenge| challenge.id == id)?;
        open.remove(at)
    }

    /// Gives back one whose answer nobody has looked at.
    pub(super) fn give_back(&self, challenge: Open) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = open.partition_point(|other| other.ends <= challenge.ends);
        open.insert(at, challenge);
    }
}

/// All hold equally long, so those that have ended stand first.
fn forget(open: &mut VecDeque<Open>, now: Duration) {
    while open.front().is_some_and(|challenge| challenge.ends <= now) {
        open.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counting(AtomicU64);

    impl Entropy for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            let next = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            buffer.copy_from_slice(&next.to_le_bytes());
        }
    }

    const NEAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn taken(challenges: &Challenges, id: i64, seconds: u64) -> Option<String> {
        challenges.take(id, at(seconds)).map(|challenge| challenge.user)
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_challenge_holds_for_two_minutes_and_one_answer() {
        let (challenges, entropy) = (Challenges::default(), Counting::default());
        let id = challenges.open("abierce", NEAR, at(0), &entropy).unwrap();
        let late = challenges.open("abierce", NEAR, at(10), &entropy).unwrap();
        assert_eq!(challenges.user_of(id, at(119)).as_deref(), Some("abierce"));
        assert_eq!(taken(&challenges, id, 119).as_deref(), Some("abierce"));
        assert_eq!(challenges.user_of(id, at(119)), None);
        assert_eq!(taken(&challenges, id, 119), None, "it was answered");
        let back = challenges.take(late, at(120)).unwrap();
        assert_eq!(taken(&challenges, late, 120), None, "somebody answers it");
        challenges.give_back(back);
        assert_eq!(challenges.user_of(late, at(129)).as_deref(), Some("abierce"));
        assert_eq!(taken(&challenges, late, 130), None, "it is too old");
        assert_eq!(taken(&challenges, 7777, 0), None);
    }

    #[test]
    fn a_sixth_is_refused_and_nobody_is_kept_out_by_another() {
        let (challenges, entropy) = (Challenges::default(), Counting::default());
        for _ in 0..5 {
            challenges.open("abierce", NEAR, at(0), &entropy).unwrap();
        }
        assert_eq!(challenges.open("abierce", NEAR, at(1), &entropy), Err(TooMany::OfUser));
        assert!(challenges.open("jdoe", NEAR, at(1), &entropy).is_ok());
        let far = "2001:db8::1".parse().unwrap();
        assert!(challenges.open("abierce", far, at(1), &entropy).is_ok(), "from elsewhere");
        assert!(challenges.open("abierce", NEAR, at(120), &entropy).is_ok(), "those before have ended");
    }

    #[test]
    fn a_flood_loses_nothing_of_others() {
        let (challenges, entropy) = (Challenges::default(), Counting::default());
        let far = "192.0.2.1".parse().unwrap();
        let own = challenges.open("abierce", far, at(0), &entropy).unwrap();
        let flood = |challenges: &Challenges, source: IpAddr| {
            (0..2 * MOST_OF_SOURCE)
                .filter(|user| challenges.open(&format!("u{user}"), source, at(1), &entropy).is_ok())
                .count()
        };
        assert_eq!(flood(&challenges, NEAR), MOST_OF_SOURCE);
        let same_network: IpAddr = "2001:db8::1".parse().unwrap();
        assert_eq!(flood(&challenges, same_network), MOST_OF_SOURCE);
        assert_eq!(flood(&challenges, "2001:db8::ffff".parse().unwrap()), 0, "it is the same network");
        for last in 0..48 {
            flood(&challenges, IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 0, last)));
        }
        assert_eq!(challenges.open("abierce", far, at(2), &entropy), Err(TooMany::OfAll), "all places are taken");
        assert_eq!(taken(&challenges, own, 2).as_deref(), Some("abierce"), "what is open stays so");
        assert!(challenges.open("abierce", far, at(121), &entropy).is_ok(), "two minutes later");
    }
}
