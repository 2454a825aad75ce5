//! What the tests of this room share: areas, agents, and the `openssl` command as a judge of what is made here.

mod chains;
mod disk;
mod handshakes;
mod lists;
mod loopback;
mod requests;

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::{Clock, Timestamp};
use rustls::pki_types::CertificateDer;

use super::{
    AgentKey, ApiIdentity, Authority, Credentials, Issued, LEAF_LIFE, Membership, PeerIdentity, Profile, Request,
    Serial, Trust,
};

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;
const DEVICE: &str = "82562229e7978f50ad8097019a6697e3357c54bf700f3d40865cd8b0788ad271";

fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
}

fn later(millis: i64) -> Timestamp {
    Timestamp::from_nanos(now().nanos() + i128::from(millis) * 1_000_000)
}

struct Random;

impl Entropy for Random {
    fn fill(&self, buffer: &mut [u8]) {
        aws_lc_rs::rand::fill(buffer).unwrap();
    }
}

fn serial() -> Serial {
    Serial::random(&Random)
}

/// A clock that tests set.
struct Hands(Mutex<Timestamp>);

impl Hands {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(now())))
    }

    fn set(&self, to: Timestamp) {
        *self.0.lock().unwrap() = to;
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

fn id(text: &str) -> SpiffeId {
    format!("spiffe://fog.example{text}").parse().unwrap()
}

fn agent_id(area: &str, device: &str) -> SpiffeId {
    id(&format!("/area/{area}/agent/{device}"))
}

fn agent_profile(id: SpiffeId) -> Profile {
    Profile { id, unit: "agent", names: Vec::new(), server: true, life: LEAF_LIFE }
}

fn certify(root: &Authority, area: &Authority, domains: &[&str]) -> Issued {
    let domains: Vec<String> = domains.iter().map(|domain| (*domain).to_owned()).collect();
    let request = Request::from_der(&area.request().unwrap()).unwrap();
    root.certify_area(&request, area.id(), &domains, serial(), now()).unwrap()
}

/// A root and one area's authority.
struct Area {
    root: Authority,
    area: Authority,
}

impl Area {
    fn new(name: &str) -> Self {
        Self::below(Authority::new_root("fog.example", now(), &Random).unwrap(), name)
    }

    fn below(root: Authority, name: &str) -> Self {
        let mut area = Authority::new_area(&id(&format!("/area/{name}"))).unwrap();
        let certificate = certify(&root, &area, &["fog.example"]);
        area.set_certificates(vec![certificate.der]).unwrap();
        Self { root, area }
    }

    fn name(&self) -> &str {
        self.area.id().area().unwrap()
    }

    fn issue(&self, key: &AgentKey, profile: &Profile) -> Issued {
        let request = Request::from_der(&key.request(Some(&profile.id), "x").unwrap()).unwrap();
        self.area.issue(&request, profile, serial(), now()).unwrap()
    }

    fn agent(&self, device: &str) -> (AgentKey, Issued) {
        let key = AgentKey::generate().unwrap();
        let issued = self.issue(&key, &agent_profile(agent_id(self.name(), device)));
        (key, issued)
    }

    fn user(&self, device: &str, name: &str) -> (AgentKey, Issued) {
        let key = AgentKey::generate().unwrap();
        let id = id(&format!("/area/{}/agent/{device}/user/{name}", self.name()));
        let profile = Profile { id, unit: "user", names: Vec::new(), server: false, life: LEAF_LIFE };
        let issued = self.issue(&key, &profile);
        (key, issued)
    }

    fn trust(&self) -> Trust {
        trust(1, &[&self.root], &[&self.area])
    }

    fn list(&self, number: u64, revoked: &[&Serial]) -> Vec<u8> {
        let revoked: Vec<_> = revoked.iter().map(|serial| ((*serial).clone(), now())).collect();
        self.area.revocation_list(number, &revoked, now(), later(HOUR)).unwrap()
    }

    /// What agent `device` of this area shows and believes, with its clock.
    fn credentials(&self, device: &str) -> (Credentials, Arc<Hands>) {
        let hands = Hands::new();
        let data = tempfile::tempdir().unwrap();
        let (own, _) = crate::load_or_create(data.path(), &[], now()).unwrap();
        let credentials = Credentials::new(ApiIdentity::SelfMade(own), Arc::clone(&hands) as _, false).unwrap();
        credentials.install(self.membership(device), self.trust()).unwrap();
        (credentials, hands)
    }

    fn membership(&self, device: &str) -> Membership {
        let (key, issued) = self.agent(device);
        let own = PeerIdentity::of(&issued.der).unwrap();
        Membership { key, certificate: issued.der, own, leader: agent_id(self.name(), "leader") }
    }
}

fn trust(sequence: u64, roots: &[&Authority], areas: &[&Authority]) -> Trust {
    let all = |from: &[&Authority]| from.iter().flat_map(|one| one.certificates().to_vec()).collect::<Vec<_>>();
    let (trust, refused) = Trust::new(sequence, all(roots), all(areas), Vec::new(), now()).unwrap();
    assert!(refused.is_empty());
    trust
}

fn chain<'a>(parts: &[&'a [u8]]) -> Vec<CertificateDer<'a>> {
    parts.iter().map(|der| CertificateDer::from(*der)).collect()
}

/// Runs `openssl` in a folder; whether it was content, and all that it said.
fn openssl(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").current_dir(folder).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn write_pem(folder: &Path, name: &str, certificates: &[&[u8]]) {
    let text: String = certificates.iter().map(|der| super::pem::block("CERTIFICATE", der)).collect();
    std::fs::write(folder.join(name), text).unwrap();
}
