//! Whether two agents can talk: what each says of itself, held against its certificate and against the other.

use std::time::Duration;

use mf2c_domain::area::role::FOUNDER;
use mf2c_domain::area::spiffe::{SpiffeId, Subject};
use mf2c_domain::time::Timestamp;

use super::{Code, Hello, PROTOCOL_VERSION, WireError};

/// The versions that this program speaks, the best one first.
pub const VERSIONS: [u16; 1] = [PROTOCOL_VERSION];
/// Clocks that differ by more are noted.
pub const NOTED_SKEW: Duration = Duration::from_secs(60);
/// Clocks that differ by more make a link impossible: certificates and changes would be judged wrongly.
pub const LARGEST_SKEW: Duration = Duration::from_secs(600);
/// A peer that takes no frame of this size cannot be given a certificate, in bytes.
pub const SMALLEST_MAX_FRAME: u32 = 16 << 10;

/// What the peer's certificate says, which was believed.
#[derive(Debug, Clone, Copy)]
pub struct PeerFacts<'a> {
    /// Whom it names.
    pub id: &'a SpiffeId,
    /// Its organisational unit.
    pub unit: &'a str,
}

/// The agent that judges.
#[derive(Debug, Clone, Copy)]
pub struct OwnFacts<'a> {
    /// Whom its own certificate names.
    pub id: &'a SpiffeId,
    /// The organisational unit of that certificate.
    pub unit: &'a str,
    /// Its wall clock.
    pub now: Timestamp,
    /// Whether it called the peer. Then the certificate was demanded to be the leader's.
    pub dialled: bool,
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Both belong to one area.
    Area,
    /// One leads an area below the other's: certificates, trust, and what leaders tell each other.
    Certification,
    /// The caller holds an area below as a backup, or has just begun to lead it: leadership and streams, no certificates.
    Backup,
    /// One is admitted to found an area below the other's, and gets its authority: certificates and trust, and nothing else.
    /// Its certificate names the area above, of which it is no agent.
    Founding,
}

/// What was found in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// The version of the protocol.
    pub version: u16,
    /// The largest frame that the peer takes, in bytes.
    pub max_frame: u32,
    /// What the link is for.
    pub scope: Scope,
    /// How far the clocks differ, where that is worth a note.
    pub skew: Option<Duration>,
}

/// Holds a Hello against the certificate that came with it, and against the own agent.
///
/// # Errors
/// [`Code::Version`], [`Code::Auth`], [`Code::Forbidden`], [`Code::ClockSkew`], [`Code::BadFrame`].
pub fn agree(hello: &Hello, peer: &PeerFacts<'_>, own: &OwnFacts<'_>) -> Result<Agreement, WireError> {
    let version = VERSIONS.into_iter().find(|version| hello.v.contains(version)).ok_or_else(|| {
        let list = |versions: &[u16]| versions.iter().take(8).map(u16::to_string).collect::<Vec<_>>().join(", ");
        let text = format!("versions [{}] are not spoken here, supported: [{}]", list(&hello.v), list(&VERSIONS));
        WireError::new(Code::Version, text)
    })?;
    if hello.node != peer.id.to_string() || Some(hello.area.as_str()) != peer.id.area() {
        let text = format!("the certificate is the one of {}, which is not what the Hello says", peer.id);
        return Err(WireError::new(Code::Auth, text));
    }
    if !matches!(peer.id.subject, Subject::Agent { .. }) {
        return Err(WireError::new(Code::Auth, format!("{} is no agent, expected the certificate of one", peer.id)));
    }
    if peer.id.trust_domain != own.id.trust_domain {
        return Err(WireError::new(Code::Forbidden, "another trust domain than the one of this agent"));
    }
    // Who calls has chosen whom; who is called lets in members, and those of other areas who lead or may come to lead.
    let scope = match (peer.id.area() == own.id.area(), own.dialled || peer.unit == "leader") {
        (true, _) if [peer.unit, own.unit].contains(&FOUNDER) => Scope::Founding,
        (true, _) => Scope::Area,
        (false, true) => Scope::Certification,
        // Nothing is granted for these words but to speak of leadership; who believes them decides for himself.
        (false, false) if matches!(hello.role.as_str(), "backup" | "leader") => Scope::Backup,
        (false, false) => {
            let area = own.id.area().unwrap_or_default();
            let text = format!("this agent serves the area `{area}`: call the leader of `{}`", hello.area);
            return Err(WireError::new(Code::Forbidden, text));
        }
    };
    let skew = Duration::from_millis(own.now.millis().abs_diff(hello.clock));
    if skew > LARGEST_SKEW {
        let text = format!("the clocks differ by {} s, expected at most 600 s: set the clock", skew.as_secs());
        return Err(WireError::new(Code::ClockSkew, text));
    }
    if hello.max_frame < SMALLEST_MAX_FRAME {
        let text = format!("frames up to {} bytes are too small, expected {SMALLEST_MAX_FRAME}", hello.max_frame);
        return Err(WireError::new(Code::BadFrame, text));
    }
    Ok(Agreement { version, max_frame: hello.max_frame, scope, skew: Some(skew).filter(|skew| *skew > NOTED_SKEW) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::TrustNews;

    const NOW: u64 = 1_800_000_000_000;

    fn id(area: &str, device: &str) -> SpiffeId {
        format!("spiffe://d/area/{area}/agent/{device}").parse().unwrap()
    }

    fn hello(id: &SpiffeId) -> Hello {
        Hello {
            v: vec![PROTOCOL_VERSION],
            node: id.to_string(),
            area: id.area().unwrap().to_owned(),
            role: "agent".into(),
            term: 0,
            incarnation: 0,
            boot: 0,
            origin: vec![].into(),
            listen: String::new(),
            clock: NOW,
            features: vec![],
            max_frame: 1 << 20,
            trust: TrustNews::default(),
        }
    }

    fn judge(hello: &Hello, peer: &SpiffeId, unit: &str, dialled: bool) -> Result<Agreement, Code> {
        let own = id("a1", "leader");
        let own = OwnFacts { id: &own, unit: "leader", now: Timestamp::from_millis(NOW.cast_signed()), dialled };
        agree(hello, &PeerFacts { id: peer, unit }, &own).map_err(|error| error.code)
    }

    #[test]
    fn a_member_of_the_area_is_welcome() {
        let peer = id("a1", "c1");
        let agreed = judge(&hello(&peer), &peer, "agent", false).unwrap();
        assert_eq!(agreed, Agreement { version: 1, max_frame: 1 << 20, scope: Scope::Area, skew: None });
    }

    #[test]
    fn a_peer_of_a_later_version_is_told_which_ones_are_spoken() {
        let peer = id("a1", "c1");
        let mut later = hello(&peer);
        later.v = vec![2];
        let own = id("a1", "leader");
        let own = OwnFacts { id: &own, unit: "leader", now: Timestamp::default(), dialled: false };
        let error = agree(&later, &PeerFacts { id: &peer, unit: "agent" }, &own).unwrap_err();
        assert_eq!(error.code, Code::Version);
        assert!(error.msg.contains("supported: [1]"), "{error}");
        later.v = vec![2, 1];
        assert!(judge(&later, &peer, "agent", false).is_ok());
    }

    #[test]
    fn a_hello_of_somebody_else_is_refused() {
        let (peer, other) = (id("a1", "c1"), id("a1", "c2"));
        assert_eq!(judge(&hello(&other), &peer, "agent", false), Err(Code::Auth));
        let mut foreign = hello(&peer);
        foreign.area = "a2".into();
        assert_eq!(judge(&foreign, &peer, "agent", false), Err(Code::Auth));
        let user: SpiffeId = "spiffe://d/area/a1/agent/c1/user/jane".parse().unwrap();
        assert_eq!(judge(&hello(&user), &user, "user", false), Err(Code::Auth));
    }

    #[test]
    fn another_area_is_forbidden_except_to_its_leader_who_gets_certificates() {
        let peer = id("a2", "c1");
        assert_eq!(judge(&hello(&peer), &peer, "agent", false), Err(Code::Forbidden));
        assert_eq!(judge(&hello(&peer), &peer, "leader", false).unwrap().scope, Scope::Certification);
        assert_eq!(judge(&hello(&peer), &peer, "agent", true).unwrap().scope, Scope::Certification);
        let backup = Hello { role: "backup".into(), ..hello(&peer) };
        assert_eq!(judge(&backup, &peer, "agent", false).unwrap().scope, Scope::Backup);
        let stranger: SpiffeId = "spiffe://e/area/a1/agent/c1".parse().unwrap();
        assert_eq!(judge(&hello(&stranger), &stranger, "leader", true), Err(Code::Forbidden));
    }

    #[test]
    fn who_is_to_found_an_area_is_no_agent_of_the_one_above_whoever_calls() {
        let (above, founder) = (id("a1", "leader"), id("a1", "f1"));
        assert_eq!(judge(&hello(&founder), &founder, "founder", false).unwrap().scope, Scope::Founding);
        let now = Timestamp::from_millis(NOW.cast_signed());
        let own = OwnFacts { id: &founder, unit: "founder", now, dialled: true };
        let agreed = agree(&hello(&above), &PeerFacts { id: &above, unit: "leader" }, &own).unwrap();
        assert_eq!(agreed.scope, Scope::Founding);
        let stranger = id("a2", "f1");
        assert_eq!(judge(&hello(&stranger), &stranger, "founder", false), Err(Code::Forbidden));
    }

    #[test]
    fn a_minute_between_clocks_is_noted_and_more_than_ten_are_refused() {
        let peer = id("a1", "c1");
        for (behind, expected) in
            [(60_000, Ok(false)), (60_001, Ok(true)), (600_000, Ok(true)), (600_001, Err(Code::ClockSkew))]
        {
            for clock in [NOW - behind, NOW + behind] {
                let hello = Hello { clock, ..hello(&peer) };
                let judged = judge(&hello, &peer, "agent", false);
                assert_eq!(judged.map(|agreed| agreed.skew.is_some()), expected, "{behind}");
            }
        }
    }

    #[test]
    fn a_peer_that_takes_only_tiny_frames_is_refused() {
        let peer = id("a1", "c1");
        let tiny = Hello { max_frame: 100, ..hello(&peer) };
        assert_eq!(judge(&tiny, &peer, "agent", false), Err(Code::BadFrame));
    }
}
