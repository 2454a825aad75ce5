//! Links over streams whose ends are known, without TLS and in a time that is not real: what a simulation runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mf2c_actors::ports::{AreaNet as _, AuthorityTransport as _, LinkError, World};
use mf2c_domain::area::standing::AreaPeer;
use mf2c_domain::time::Clock;
use mf2c_fabric::wire::{Message, encode};
use mf2c_pki::area::PeerIdentity;
use mf2c_transport::link::{Connected, Connecting, Connector, LinkNet, LinkSettings};

use tokio::io::AsyncWriteExt as _;

use crate::world::{Agent, Answers, Area, DAY, Hands, MAX, number, word};

/// The agents by their addresses; streams between them are pipes.
#[derive(Default)]
struct Places(Mutex<BTreeMap<String, (LinkNet, Arc<PeerIdentity>)>>);

/// The way of one agent to them.
struct Way {
    places: Arc<Places>,
    own: Arc<PeerIdentity>,
    from: SocketAddr,
}

impl Connector for Way {
    fn connect(&self, address: &str, _: &mf2c_domain::area::spiffe::SpiffeId) -> Connecting {
        let found = self.places.0.lock().unwrap().get(address).cloned();
        let (address, own, from) = (address.to_owned(), Arc::clone(&self.own), self.from);
        Box::pin(async move {
            let Some((net, peer)) = found else {
                return Err(LinkError::Unreachable { address, reason: "nobody".into() });
            };
            let (near, far) = tokio::io::duplex(64 << 10);
            net.admit(Box::new(far), own, from);
            Ok(Connected { stream: Box::new(near), peer, address: ([127, 0, 0, 1], 1).into() })
        })
    }
}

/// An agent of the simulation.
struct Simulated {
    net: LinkNet,
    answers: Arc<Answers>,
    at: AreaPeer,
}

fn simulated(area: &Arc<Area>, places: &Arc<Places>, device: &str, port: u16) -> Simulated {
    let own = Arc::new(area.membership(device, "agent", DAY).own);
    let clock = Hands::new(0) as Arc<dyn Clock>;
    let world = World { clock, entropy: Arc::clone(&area.entropy) as _ };
    let from = ([127, 0, 0, 1], port).into();
    let way = Way { places: Arc::clone(places), own: Arc::clone(&own), from };
    let net = LinkNet::with_connector(world, Arc::clone(&own), LinkSettings::new("agent"), Arc::new(way));
    let answers = Answers::new(area);
    net.serve(Arc::clone(&answers) as _);
    let address = format!("{device}:{port}");
    places.0.lock().unwrap().insert(address.clone(), (net.clone(), Arc::clone(&own)));
    Simulated { net, answers, at: AreaPeer { id: own.id.clone(), address } }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn the_same_sessions_run_over_given_streams() {
    let (area, places) = (Area::new("a1"), Arc::default());
    let (leader, child) = (simulated(&area, &places, "l", 1), simulated(&area, &places, "c", 2));
    child.net.lead_to(Some((leader.at.address.clone(), leader.at.id.clone())));
    child.net.keep(vec![leader.at.clone()]);
    tokio::time::sleep(seconds(1)).await;
    let [link] = &child.answers.open()[..] else { panic!("{:?}", child.answers.open()) };
    for number in 0..50 {
        child.net.send(link.number, &word(number, 100)).unwrap();
    }
    tokio::time::sleep(seconds(300)).await;
    let heard: Vec<u64> = leader.answers.words().iter().map(|(_, word)| number(word)).collect();
    assert_eq!(heard, Vec::from_iter(0..50));
    assert_eq!(leader.net.counters().opened, 1, "signs of life keep it");

    // It vanishes, and comes back as another process.
    child.net.kill();
    tokio::time::sleep(seconds(1)).await;
    assert!(leader.answers.open().is_empty());
    let again = simulated(&area, &places, "c", 2);
    again.net.keep(vec![leader.at.clone()]);
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(leader.answers.open().len(), 1);
    assert!(leader.answers.clones().is_empty(), "a restart is no clone");
    // Who is elsewhere is not taken for it.
    let other = simulated(&area, &places, "x", 3);
    other.net.keep(vec![AreaPeer { address: again.at.address.clone(), ..leader.at.clone() }]);
    tokio::time::sleep(seconds(60)).await;
    assert!(other.answers.open().is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_processes_of_one_identity_are_named_once_a_minute_and_restarts_are_not() {
    let (area, places) = (Area::new("a1"), Arc::default());
    let leader = simulated(&area, &places, "l", 1);
    let mut child = simulated(&area, &places, "c", 2);
    child.net.keep(vec![leader.at.clone()]);
    // It is restarted every few seconds, sometimes so that its old link is not closed at once.
    for _ in 0..20 {
        tokio::time::sleep(seconds(7)).await;
        child.net.kill();
        child = simulated(&area, &places, "c", 2);
        child.net.keep(vec![leader.at.clone()]);
    }
    tokio::time::sleep(seconds(300)).await;
    assert!(leader.answers.clones().is_empty());

    let copy = simulated(&area, &places, "c", 3);
    copy.net.keep(vec![leader.at.clone()]);
    tokio::time::sleep(seconds(300)).await;
    // Both live on side by side.
    let two: [SocketAddr; 2] = [2, 3].map(|port| ([127, 0, 0, 1], port).into());
    assert_eq!(leader.answers.clones(), [two]);
    // Whoever comes and goes is named too, not more often than once a minute.
    for _ in 0..30 {
        for one in [&child, &copy] {
            one.net.keep(vec![]);
            tokio::time::sleep(seconds(1)).await;
            one.net.keep(vec![leader.at.clone()]);
            tokio::time::sleep(seconds(5)).await;
        }
    }
    let named = leader.answers.clones().len();
    assert!((3..=8).contains(&named), "{named}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_falls_silent_is_given_up_after_five_seconds() {
    let (area, places) = (Area::new("a1"), Arc::default());
    let leader = simulated(&area, &places, "l", 1);
    let silent = Agent::member(&area, "c", "agent");
    let own = Arc::new(silent.credentials.membership().unwrap().own.clone());
    let (mut near, far) = tokio::io::duplex(64 << 10);
    leader.net.admit(Box::new(far), own, ([127, 0, 0, 1], 9).into());
    near.write_all(&encode(&Message::Hello(silent.hello()), MAX).unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(4900)).await;
    assert_eq!(leader.answers.open().len(), 1);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(leader.answers.open().is_empty());
}
