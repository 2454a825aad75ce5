//! What an idle link costs the one who accepted it. Both ends are processes of their own: this test program again, so that
//! no other test is measured.

use std::process::Stdio;
use std::time::Duration;

use mf2c_domain::area::role::MemberRole;
use mf2c_domain::time::Clock as _;
use mf2c_pki::area::MemberFiles;
use mf2c_transport::link::LinkLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::world::{Agent, Area, Hands, eventually, memory};

const LINKS: u64 = 100;
/// 40 kB and the noise of an allocator.
const MOST: u64 = 40_000;
/// Where the callers find their certificate and the address.
const PLACE: &str = "MF2C_TEST_CALLERS";

/// This test program with one of the tests that nobody else runs.
fn alone(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).kill_on_drop(true);
    command
}

#[tokio::test]
async fn an_idle_link_costs_its_acceptor_at_most_40_kb() {
    assert!(alone("memory::acceptor").stdin(Stdio::null()).status().await.unwrap().success());
}

/// Takes links from another process and measures itself.
#[tokio::test]
#[ignore = "it is a process of the test above"]
async fn acceptor() {
    let area = Area::new("a1");
    // The callers are idle indeed: they give no sign of life.
    let hour = Duration::from_secs(3600);
    let limits = LinkLimits { links_per_peer: 1000, ping: hour, dead: hour, ..LinkLimits::default() };
    let leader = Agent::leader_with(&area, limits);
    let child = area.membership("c1", "agent", Duration::from_secs(86_400));
    let place = tempfile::tempdir().unwrap();
    let files = MemberFiles::new(place.path());
    let (role, address) = (MemberRole::Agent, leader.address.to_string());
    files.save(&child.key, &child.certificate, &area.trust(), &child.leader, role, &address).unwrap();
    let mut callers = alone("memory::callers");
    let callers = callers.env(PLACE, place.path()).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut callers = callers.spawn().unwrap();
    let mut stdin = callers.stdin.take().unwrap();
    // Ten links first, so that everything that is loaded once is loaded.
    stdin.write_all(&[10]).await.unwrap();
    eventually(|| leader.net.counters().open == 10).await;
    let before = memory();
    for open in 1..=LINKS / 10 {
        stdin.write_all(&[10]).await.unwrap();
        eventually(|| leader.net.counters().open == 10 + 10 * open).await;
    }
    let each = memory().saturating_sub(before) / LINKS;
    println!("{each} bytes for each of {LINKS} idle links");
    assert!(each <= MOST, "{each} bytes for each link");
    drop(stdin);
    assert!(callers.wait().await.unwrap().success());
    eventually(|| leader.net.counters().open == 0).await;
}

/// Opens as many links as it is told, and holds them until nothing more comes.
#[tokio::test]
#[ignore = "it is a process of the test above"]
async fn callers() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let (area, clock) = (Area::new("a1"), Hands::new(0));
    let stored = MemberFiles::new(place.as_ref()).load(clock.now()).unwrap().unwrap();
    let leader = stored.membership.leader.clone();
    let mut child = Agent::new(&area, clock, LinkLimits::default());
    child.address = stored.address.parse().unwrap();
    child.credentials.install(stored.membership, stored.trust).unwrap();
    let (mut held, mut stdin) = (vec![], tokio::io::stdin());
    while let Ok(number) = stdin.read_u8().await {
        for _ in 0..number {
            held.push(child.greeted_at(child.address, &leader).await);
        }
    }
}
