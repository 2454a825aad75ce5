//! The authority outlives its leader: keys that are handed over, kept, and used by who leads next.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use mf2c_actors::certificate_authority::*;
use mf2c_actors::ports::{AreaNet, Introduction, LinkAnswer, LinkError, OpenLink, SendError};
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::AreaPeer;
use mf2c_fabric::wire::hello::Scope;
use mf2c_fabric::wire::{
    Answer, Ask, AuthorityTrust, Bytes, Code, Enrolled, Hello, Notice, Succession, TrustNews, WireError,
};
use mf2c_pki::area::{AgentKey, MemberFiles, PeerIdentity};

use crate::room::*;

const HEIR: &str = "b";

/// Links that are calls: every question goes to one other agent, which believes that `by` asks.
struct Calls {
    to: Addr<CertificateAuthority>,
    by: Arc<PeerIdentity>,
    asked: Mutex<Vec<Ask>>,
}

impl AreaNet for Calls {
    fn keep(&self, _: Vec<AreaPeer>) {}
    fn introduce(&self, _: Introduction) {}
    fn send(&self, _: u64, _: &Notice) -> Result<(), SendError> {
        Err(SendError::Gone)
    }
    fn ask_over(&self, _: u64, ask: Ask, _: Duration) -> LinkAnswer<Answer> {
        self.asked.lock().unwrap().push(ask.clone());
        let asked = self.to.send(AnswerPeer { ask, peer: Some(Arc::clone(&self.by)), source: SOURCE });
        Box::pin(async move { asked.await.unwrap().map_err(LinkError::Refused) })
    }
    fn close(&self, _: u64, _: WireError) {}
    fn hint(&self, _: &SpiffeId, _: String) {}
}

/// A leader with its own certificate, and a member that may become its successor.
struct Pair {
    leader: Room,
    heir: Room,
    net: Arc<Calls>,
    own: Enrolled,
    member: Enrolled,
}

async fn pair() -> Pair {
    let leader = room().await;
    let renew = Ask::Renew { request: request(&key()), names: vec![] };
    let Answer::Enrolled(own) = leader.ask_own(renew).await.unwrap() else { panic!() };
    let (key, member) = leader.member(HEIR).await;
    let heir = bare(AuthoritySettings { device: Some(HEIR.into()), ..AuthoritySettings::default() }, HEIR).await;
    join(&heir, &leader, &key, &member).await;
    let (to, by) = (heir.authority.clone(), peer(&own.certificate));
    let net = Arc::new(Calls { to, by, asked: Mutex::default() });
    Pair { leader, heir, net, own, member }
}

/// Keeps a membership in the files of a room.
async fn join(room: &Room, leader: &Room, key: &AgentKey, member: &Enrolled) {
    let (trust, id) = (leader.trust().await, member.leader.parse().unwrap());
    let files = MemberFiles::new(room.folder.path());
    files.save(key, &member.certificate.0, &trust, &id, MemberRole::Agent, "leader:1").unwrap();
}

impl Pair {
    fn link(&self, peer: Arc<PeerIdentity>, scope: Scope) -> OpenLink {
        let hello = Hello {
            v: vec![1],
            node: peer.id.to_string(),
            area: "a1".into(),
            role: "backup".into(),
            term: 0,
            incarnation: 0,
            boot: 0,
            origin: vec![].into(),
            listen: String::new(),
            clock: 0,
            features: vec![],
            max_frame: 1 << 20,
            trust: TrustNews::default(),
        };
        OpenLink { number: 1, peer, hello: Arc::new(hello), address: (SOURCE, 1).into(), accepted: true, scope }
    }

    async fn hand(&self, term: u64) -> Result<(), AuthorityError> {
        let to = self.link(peer(&self.member.certificate), Scope::Area);
        self.leader.authority.send(HandAuthority { to, term, net: Arc::clone(&self.net) as _ }).await.unwrap()
    }

    async fn seat(&self, trust: AuthorityTrust) -> Result<AuthorityView, AuthorityError> {
        self.heir.authority.send(TakeSeat(trust)).await.unwrap()
    }

    /// What was handed over last.
    fn handed(&self) -> Succession {
        match self.net.asked.lock().unwrap().last() {
            Some(Ask::KeepAuthority(given)) => given.clone(),
            other => panic!("{other:?}"),
        }
    }

    async fn keep(&self, given: Succession, by: Arc<PeerIdentity>) -> Result<Answer, WireError> {
        self.heir.ask(Ask::KeepAuthority(given), Some(by)).await
    }
}

async fn renew(room: &Room, with: &Enrolled) -> Result<Enrolled, WireError> {
    let ask = Ask::Renew { request: request(&key()), names: vec![] };
    match room.ask(ask, Some(peer(&with.certificate))).await? {
        Answer::Enrolled(enrolled) => Ok(enrolled),
        other => panic!("{other:?}"),
    }
}

#[actix::test]
async fn a_backup_keeps_the_keys_takes_the_seat_and_renews_the_members() {
    let pair = pair().await;
    let (_, child) = pair.leader.member("c1").await;
    pair.hand(3).await.unwrap();
    // Kept, not seated: nothing is issued here.
    assert_eq!(code(pair.heir.ask(Ask::Bundle, None).await), Code::NotLeader);
    let trust = pair.leader.wire_trust().await;
    let view = pair.seat(trust.clone()).await.unwrap();
    assert_eq!((view.area.as_str(), view.has_root_key), ("a1", false));
    assert!(view.list_number > pair.leader.view().await.list_number);
    let again = pair.seat(trust).await.unwrap();
    assert_eq!(again.list_number, view.list_number, "twice is no harm");

    // For itself it issues a certificate that says that it leads, for the others what they had.
    let ask = Ask::Renew { request: request(&key()), names: vec![] };
    let Answer::Enrolled(own) = pair.heir.ask_own(ask).await.unwrap() else { panic!() };
    assert_eq!(peer(&own.certificate).unit, "leader");
    let renewed = renew(&pair.heir, &child).await.unwrap();
    let believed = pair.leader.trust().await;
    let chain = [renewed.certificate.0.as_slice().into()];
    let id = believed.check(&chain, true, false, pair.leader.now()).unwrap();
    assert_eq!((id.id.device(), id.unit.as_str()), (Some("c1"), "agent"));
    assert_eq!(renewed.leader.parse::<SpiffeId>().unwrap().device(), Some(HEIR));
    // The old leader is an ordinary member there.
    let old = renew(&pair.heir, &pair.own).await.unwrap();
    assert_eq!(peer(&old.certificate).unit, "agent");
    // It admits others, and tokens of the one before are of no use.
    pair.heir.member("c2").await;
    let token = pair.leader.token(token()).await;
    let refused = pair.heir.enrol(&token, &key(), "c3").await.unwrap_err();
    assert_eq!(refused.code, Code::TokenInvalid);
    assert!(refused.msg.contains("earlier leader"), "{}", refused.msg);
}

#[actix::test]
async fn revocations_go_on_with_higher_numbers_across_a_restart_of_the_successor() {
    let pair = pair().await;
    let (_, early) = pair.leader.member("c1").await;
    pair.leader.revoke(RevokeTarget::Device("c1".into())).await.unwrap();
    let (_, other) = pair.leader.member("c2").await;
    pair.hand(1).await.unwrap();
    // Revoked and admitted after the keys were handed over: the list tells of the one, nothing of the other.
    let (_, late) = pair.leader.member("c3").await;
    pair.leader.revoke(RevokeTarget::Device("c3".into())).await.unwrap();
    let number = pair.leader.view().await.list_number;
    let view = pair.seat(pair.leader.wire_trust().await).await.unwrap();
    assert!(view.list_number > number);
    let trust = pair.heir.trust().await;
    for (one, revoked) in [(&early, true), (&other, false), (&late, true)] {
        assert_eq!(trust.is_revoked(&peer(&one.certificate)), revoked);
    }
    assert_eq!(renew(&pair.heir, &late).await.unwrap_err().code, Code::Revoked);

    let revoked = pair.heir.revoke(RevokeTarget::Device("c2".into())).await.unwrap();
    assert_eq!(revoked, [serial(&other.certificate)]);
    let heir = pair.heir.restarted();
    let after = heir.view().await;
    assert!(after.list_number > view.list_number);
    let trust = heir.trust().await;
    assert!([&early, &other, &late].iter().all(|one| trust.is_revoked(&peer(&one.certificate))));
    heir.later(Duration::from_secs(40 * 86_400));
    heir.authority.send(Tick).await.unwrap();
    assert_eq!(heir.view().await.revoked, 0);
    let state = std::fs::read_to_string(heir.folder.path().join("ca/authority.json")).unwrap();
    assert!(!state.contains("heritage"), "what has ended leaves the record: {state}");
}

#[actix::test]
async fn a_leader_that_was_replaced_leaves_its_seat_and_takes_it_again() {
    let pair = pair().await;
    let (_, child) = pair.leader.member("c1").await;
    pair.hand(1).await.unwrap();
    pair.seat(pair.leader.wire_trust().await).await.unwrap();
    pair.leader.authority.send(LeaveSeat).await.unwrap().unwrap();
    assert_eq!(code(pair.leader.ask(Ask::Bundle, None).await), Code::NotLeader);
    let leader = pair.leader.restarted();
    assert!(matches!(leader.authority.send(ShowAuthority).await.unwrap(), Err(AuthorityError::None)));
    pair.heir.later(Duration::from_secs(60));
    pair.heir.revoke(RevokeTarget::Device("c1".into())).await.unwrap();
    let number = pair.heir.view().await.list_number;
    // It leads again, and keeps its root.
    let view = leader.authority.send(TakeSeat(pair.heir.wire_trust().await)).await.unwrap().unwrap();
    assert!(view.has_root_key && view.list_number > number);
    assert!(leader.trust().await.is_revoked(&peer(&child.certificate)));
}

#[actix::test]
async fn two_who_hold_the_seat_for_a_moment_revoke_what_either_has_revoked() {
    let pair = pair().await;
    let (_, one) = pair.leader.member("c1").await;
    let (_, other) = pair.leader.member("c2").await;
    pair.hand(1).await.unwrap();
    pair.seat(pair.leader.wire_trust().await).await.unwrap();
    pair.heir.revoke(RevokeTarget::Device("c1".into())).await.unwrap();
    pair.leader.later(Duration::from_secs(5));
    pair.leader.revoke(RevokeTarget::Device("c2".into())).await.unwrap();
    let theirs = pair.leader.wire_trust().await;
    let number = pair.leader.view().await.list_number;
    pair.heir.authority.send(HearOwnList(theirs.clone())).await.unwrap();
    let merged = pair.heir.view().await.list_number;
    assert!(merged > number);
    let trust = pair.heir.trust().await;
    assert!(trust.is_revoked(&peer(&one.certificate)) && trust.is_revoked(&peer(&other.certificate)));
    pair.heir.authority.send(HearOwnList(theirs)).await.unwrap();
    assert_eq!(pair.heir.view().await.list_number, merged, "an old list changes nothing");
}

#[actix::test]
async fn keys_of_the_past_or_from_elsewhere_are_not_kept() {
    let pair = pair().await;
    pair.hand(5).await.unwrap();
    let given = pair.handed();
    let leader = peer(&pair.own.certificate);
    let lower = Succession { term: 4, ..given.clone() };
    assert_eq!(code(pair.keep(lower, Arc::clone(&leader)).await), Code::StaleTerm);
    assert!(pair.keep(Succession { term: 5, ..given.clone() }, Arc::clone(&leader)).await.is_ok());
    // A plain member, and nobody.
    assert_eq!(code(pair.keep(given.clone(), peer(&pair.member.certificate)).await), Code::Forbidden);
    assert_eq!(code(pair.heir.ask(Ask::KeepAuthority(given.clone()), None).await), Code::Auth);
    // The authority of another root with the same names, by who leads there.
    let other = self::pair().await;
    other.hand(9).await.unwrap();
    assert_eq!(code(pair.keep(other.handed(), peer(&other.own.certificate)).await), Code::Forbidden);
    assert_eq!(code(pair.keep(other.handed(), Arc::clone(&leader)).await), Code::Forbidden);
    // Certificates without their key, and what is nothing at all.
    let mixed = Succession { key: other.handed().key, ..given.clone() };
    assert_eq!(code(pair.keep(mixed, Arc::clone(&leader)).await), Code::Forbidden);
    for broken in [Bytes(vec![]), Bytes(vec![0xFF; 1000])] {
        let key = Succession { term: 9, key: broken.clone(), ..given.clone() };
        let state = Succession { term: 9, state: broken, ..given.clone() };
        assert_eq!(code(pair.keep(key, Arc::clone(&leader)).await), Code::Forbidden);
        assert_eq!(code(pair.keep(state, Arc::clone(&leader)).await), Code::Forbidden);
    }
    // One that leads itself keeps none, and one without keys has no seat to take.
    assert_eq!(code(pair.leader.ask(Ask::KeepAuthority(given), Some(leader)).await), Code::Forbidden);
    let stranger = bare(AuthoritySettings { device: Some("x".into()), ..AuthoritySettings::default() }, "x").await;
    let refused = stranger.authority.send(TakeSeat(pair.leader.wire_trust().await)).await.unwrap().unwrap_err();
    assert!(refused.to_string().contains("no keys"), "{refused}");
}

#[actix::test]
async fn keys_are_given_to_members_of_the_area_whose_certificate_holds_and_to_nobody_else() {
    let pair = pair().await;
    let (_, revoked) = pair.leader.member("c1").await;
    pair.leader.revoke(RevokeTarget::Device("c1".into())).await.unwrap();
    let other = self::pair().await;
    for (peer, scope) in [
        (peer(&pair.member.certificate), Scope::Backup),
        (peer(&pair.member.certificate), Scope::Certification),
        (peer(&pair.own.certificate), Scope::Area),
        (peer(&revoked.certificate), Scope::Area),
        (peer(&other.member.certificate), Scope::Area),
    ] {
        let hand = HandAuthority { to: pair.link(peer, scope), term: 1, net: Arc::clone(&pair.net) as _ };
        assert!(matches!(pair.leader.authority.send(hand).await.unwrap(), Err(AuthorityError::Refused(_))));
    }
    assert!(pair.net.asked.lock().unwrap().is_empty());
    // Nor by one who has none.
    let hand = HandAuthority {
        to: pair.link(peer(&pair.member.certificate), Scope::Area),
        term: 1,
        net: Arc::clone(&pair.net) as _,
    };
    assert!(matches!(pair.heir.authority.send(hand).await.unwrap(), Err(AuthorityError::None)));
}

#[actix::test]
async fn the_keys_lie_in_private_files_and_stand_in_no_word_that_is_shown() {
    let pair = pair().await;
    pair.hand(1).await.unwrap();
    let given = pair.handed();
    let secret = String::from_utf8(given.key.0.clone()).unwrap();
    let line = secret.lines().nth(1).unwrap().to_owned();
    assert!(secret.contains("PRIVATE KEY"));
    for shown in [format!("{given:?}"), format!("{:?}", Ask::KeepAuthority(given.clone()))] {
        assert!(!shown.contains(&line) && !shown.contains("PRIVATE"), "{shown}");
    }
    // What travels and is kept beside the key holds none, the root's least of all.
    let root = std::fs::read_to_string(pair.leader.folder.path().join("ca/root.key")).unwrap();
    let root = root.lines().nth(1).unwrap().to_owned();
    let folder = pair.heir.folder.path().join("ca");
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["area.key", "area.pem", "authority.json"]);
    for name in names {
        let path = folder.join(&name);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&root));
        assert_eq!(text.contains(&line), name == "area.key");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name:?}");
    }
    assert!(!String::from_utf8_lossy(&given.state.0).contains(&line));
}

#[actix::test]
async fn who_keeps_the_keys_is_told_of_later_certificates_and_revocations() {
    let pair = pair().await;
    pair.hand(1).await.unwrap();
    let (_, child) = pair.leader.member("c1").await;
    assert_eq!(pair.net.asked.lock().unwrap().len(), 1);
    pair.leader.authority.send(Tick).await.unwrap();
    let told = async {
        while pair.net.asked.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), told).await.unwrap();
    pair.leader.authority.send(Tick).await.unwrap();
    pair.seat(pair.leader.wire_trust().await).await.unwrap();
    assert_eq!(pair.net.asked.lock().unwrap().len(), 2, "without news nothing is sent");
    // It can be revoked there by its device.
    assert_eq!(pair.heir.revoke(RevokeTarget::Device("c1".into())).await.unwrap(), [serial(&child.certificate)]);
}

#[actix::test]
async fn a_root_certifies_the_area_anew_for_who_has_taken_its_seat() {
    let top = room().await;
    let asked = CreateToken { role: MemberRole::Leader, area: Some("a2".into()), ..token() };
    let (joined, first) = (top.token(asked).await, key());
    let ask = match enrol(&joined, &first, "l2") {
        Ask::Enrol { token, secret, request, device, names, .. } => {
            Ask::Enrol { token, secret, request, role: MemberRole::Leader, device, area: Some("a2".into()), names }
        }
        other => other,
    };
    let Answer::Enrolled(leader) = top.ask(ask, None).await.unwrap() else { panic!() };
    let area_key = key();
    let certify = |key: &AgentKey| Ask::CertifyArea { request: request(key) };
    let Answer::Area { .. } = top.ask(certify(&area_key), Some(peer(&leader.certificate))).await.unwrap() else {
        panic!()
    };
    // Another member of that area shows a certificate of its authority, and the authority's key.
    let mut successor = (*peer(&leader.certificate)).clone();
    successor.id = "spiffe://fog.example/area/a2/agent/b2".parse().unwrap();
    successor.unit = "leader".into();
    let successor = Arc::new(successor);
    assert!(matches!(top.ask(certify(&area_key), Some(Arc::clone(&successor))).await, Ok(Answer::Area { .. })));
    assert_eq!(code(top.ask(certify(&key()), Some(Arc::clone(&successor))).await), Code::Forbidden, "another key");
    let plain = Arc::new(PeerIdentity { unit: "agent".into(), ..(*successor).clone() });
    assert_eq!(code(top.ask(certify(&area_key), Some(plain)).await), Code::Forbidden);
    let elsewhere =
        PeerIdentity { id: "spiffe://fog.example/area/a3/agent/b2".parse().unwrap(), ..(*successor).clone() };
    assert_eq!(code(top.ask(certify(&area_key), Some(Arc::new(elsewhere))).await), Code::Forbidden);
}
