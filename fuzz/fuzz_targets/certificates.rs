//! Requests, certificates and revocation lists of strangers are read or refused. One that was changed anywhere is no request
//! of its key any more, and no list of its authority.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mf2c_domain::area::spiffe::{SpiffeId, Subject};
use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::Timestamp;
use mf2c_pki::area::{AgentKey, Authority, PeerIdentity, Request, Serial, Trust};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

struct Counting;
impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0x5A);
    }
}

/// Good ones to begin from: a request, a certificate, a list, and who believes them.
struct Good {
    request: Vec<u8>,
    certificate: Vec<u8>,
    list: Vec<u8>,
    trust: Trust,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let root = Authority::new_root("fog.example", NOW, &Counting).unwrap();
    let id = SpiffeId { trust_domain: "fog.example".into(), subject: Subject::Area { area: "a".into() } };
    let request = AgentKey::generate().unwrap().request(Some(&id), "fuzz").unwrap();
    let asked = Request::from_der(&request).unwrap();
    let issued = root.certify_area(&asked, &id, &[], Serial::random(&Counting), NOW).unwrap();
    let end = Timestamp::from_millis(1_800_003_600_000);
    let list = root.revocation_list(7, &[(Serial::random(&Counting), NOW)], NOW, end).unwrap();
    let roots = root.certificates().to_vec();
    let (trust, _) = Trust::new(1, roots, vec![issued.der.clone()], vec![], NOW).unwrap();
    Good { request, certificate: issued.der, list, trust }
});

/// `bytes` with a stretch replaced.
fn changed(bytes: &[u8], at: usize, patch: &[u8]) -> Vec<u8> {
    let start = at % bytes.len();
    let end = (start + patch.len()).min(bytes.len());
    [&bytes[..start], patch, &bytes[end..]].concat()
}

fn read(der: &[u8]) {
    if let Ok(request) = Request::from_der(der) {
        assert!(
            request.names().len() < der.len() && request.public_key_pem().starts_with("-----BEGIN PUBLIC KEY-----")
        );
        let _ = (request.common_name(), request.subject(), request.key_hash());
    }
    let _ = PeerIdentity::of(der);
    let mut trust = GOOD.trust.clone();
    let _ = trust.take_list(der, NOW);
    let _ = trust.check(&[der.to_vec().into()], false, false, NOW);
}

fuzz_target!(|data: &[u8]| {
    let Some((at, patch)) = data.split_first_chunk::<2>() else { return };
    let at = usize::from(u16::from_be_bytes(*at));
    read(patch);
    let good = &*GOOD;
    let request = changed(&good.request, at, patch);
    assert!(request == good.request || Request::from_der(&request).is_err(), "a changed request");
    let list = changed(&good.list, at, patch);
    assert!(list == good.list || good.trust.clone().take_list(&list, NOW).is_err(), "a changed list");
    read(&changed(&good.certificate, at, patch));
});
