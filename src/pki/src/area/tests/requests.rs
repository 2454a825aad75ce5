//! Requests of every kind, most of them made by `openssl`.

use proptest::prelude::*;

use super::super::request::MAX_REQUEST;
use super::*;
use crate::area::{AreaError, RequestError};

/// A request in DER that `openssl req` makes with these options for its key and itself.
fn made(key: &[&str], options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (good, said) = openssl(folder.path(), &[&["genpkey", "-out", "key.pem"], key].concat());
    assert!(good, "{said}");
    let request = ["req", "-new", "-key", "key.pem", "-outform", "DER", "-out", "request.der"];
    let (good, said) = openssl(folder.path(), &[&request[..], options].concat());
    assert!(good, "{said}");
    std::fs::read(folder.path().join("request.der")).unwrap()
}

const P256: [&str; 4] = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

fn rsa(bits: &str) -> [String; 4] {
    ["-algorithm", "RSA", "-pkeyopt", &format!("rsa_keygen_bits:{bits}")].map(str::to_owned)
}

#[test]
fn a_request_says_what_it_asks_for_and_gets_a_certificate_for_its_key_alone() {
    let der = made(
        &P256,
        &[
            "-subj",
            "/O=Fog, Inc./CN=Doe, Jane",
            "-addext",
            "subjectAltName=URI:spiffe://fog.example/area/a/agent/other,DNS:evil.example,IP:10.0.0.7,email:a@b.c",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "1.2.3.4=ASN1:NULL",
        ],
    );
    let request = Request::from_der(&der).unwrap();
    assert_eq!(request.common_name(), Some("Doe, Jane"));
    assert_eq!(request.subject(), "CN=Doe\\, Jane,O=Fog\\, Inc.");
    assert_eq!(request.names(), ["spiffe://fog.example/area/a/agent/other", "evil.example", "10.0.0.7", "other"]);

    let area = Area::new("harbour");
    let profile = agent_profile(agent_id("harbour", DEVICE));
    let issued = area.area.issue(&request, &profile, serial(), now()).unwrap();
    let peer = PeerIdentity::of(&issued.der).unwrap();
    assert_eq!((&peer.id, peer.key), (&profile.id, request.key_hash()));
    let folder = tempfile::tempdir().unwrap();
    write_pem(folder.path(), "leaf.pem", &[&issued.der]);
    let (_, said) = openssl(folder.path(), &["x509", "-in", "leaf.pem", "-noout", "-text"]);
    assert!(said.contains("CA:FALSE") && !said.contains("evil") && !said.contains("10.0.0.7"), "{said}");
}

#[test]
fn keys_of_four_kinds_are_certified_and_verified_by_openssl() {
    let area = Area::new("harbour");
    let rsa = rsa("2048");
    let kinds: [&[&str]; 4] = [
        &P256,
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
        &["-algorithm", "ED25519"],
        &rsa.each_ref().map(String::as_str),
    ];
    for kind in kinds {
        let request = Request::from_der(&made(kind, &["-subj", "/CN=x"])).unwrap();
        let profile = agent_profile(agent_id("harbour", DEVICE));
        let issued = area.area.issue(&request, &profile, serial(), now()).unwrap();
        assert_eq!(PeerIdentity::of(&issued.der).unwrap().key, request.key_hash(), "{kind:?}");
        area.trust().check(&chain(&[&issued.der]), true, true, now()).unwrap_err();
        area.trust().check(&chain(&[&issued.der]), true, false, now()).unwrap();
    }
}

#[test]
fn weak_and_unknown_keys_are_refused_with_what_was_expected() {
    for (key, part) in [
        (rsa("1024").to_vec(), "1024 bits"),
        (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"].map(str::to_owned).to_vec(), "P-256"),
        (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"].map(str::to_owned).to_vec(), "P-256"),
        (["-algorithm", "ED448"].map(str::to_owned).to_vec(), "P-256"),
    ] {
        let key: Vec<&str> = key.iter().map(String::as_str).collect();
        let refused = Request::from_der(&made(&key, &["-subj", "/CN=x"])).unwrap_err();
        assert!(matches!(&refused, RequestError::Key(reason) if reason.contains(part)), "{key:?}: {refused}");
    }
}

#[test]
fn a_request_that_somebody_else_has_signed_is_refused() {
    let key = AgentKey::generate().unwrap();
    let mut der = key.request(Some(&agent_id("a", "x")), "x").unwrap();
    // The first letter of the common name: everything else stays as it was.
    let at = der.windows(5).position(|part| part == [0x06, 0x03, 0x55, 0x04, 0x03]).unwrap() + 7;
    der[at] ^= 1;
    assert!(matches!(Request::from_der(&der), Err(RequestError::Signature)));
}

#[test]
fn what_is_no_request_is_refused_with_the_reason() {
    let good = AgentKey::generate().unwrap().request(None, "x").unwrap();
    let trailing = [good.as_slice(), &[0]].concat();
    let nested = [0x30, 0x80].repeat(4000);
    let mut deep = Vec::new();
    for _ in 0..3000 {
        let length = u16::try_from(deep.len()).unwrap().to_be_bytes();
        deep = [&[0x30, 0x82], &length[..], &deep].concat();
    }
    for wrong in [&[][..], b"hello", &good[..good.len() - 1], &trailing, &nested, &deep, &vec![0x30; MAX_REQUEST + 1]] {
        let refused = Request::from_der(wrong).unwrap_err();
        assert!(matches!(refused, RequestError::Form(_)), "{refused}");
    }
    for wrong in ["", "-----BEGIN CERTIFICATE REQUEST-----", &"x".repeat(100_000)] {
        assert!(matches!(Request::from_pem(wrong), Err(RequestError::Form(_))));
    }
    let (begin, end) = ("-----BEGIN CERTIFICATE REQUEST-----", "-----END CERTIFICATE REQUEST-----");
    for wrong in
        [begin.to_owned(), format!("{begin}MIIB{end}"), format!("{begin}\nMIIB\n"), format!("{begin}\n!\n{end}\n")]
    {
        let told = Request::from_pem(&wrong).unwrap_err().to_string();
        assert!(told.contains("--data-binary") && !told.contains('['), "{told}");
    }
}

#[test]
fn both_labels_of_pem_are_read() {
    let key = AgentKey::generate().unwrap();
    let der = key.request(None, "x").unwrap();
    for label in ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"] {
        let text = format!("some words\n{}", super::super::pem::block(label, &der));
        assert_eq!(Request::from_pem(&text).unwrap().key_hash(), key.hash());
    }
    assert!(Request::from_der(&der).unwrap().public_key_pem().starts_with("-----BEGIN PUBLIC KEY-----\n"));
}

#[test]
fn names_that_cannot_stand_in_a_certificate_are_refused_by_name() {
    let area = Area::new("harbour");
    let key = AgentKey::generate().unwrap();
    let request = Request::from_der(&key.request(None, "x").unwrap()).unwrap();
    let mut profile = agent_profile(agent_id("harbour", DEVICE));
    profile.names = ["edge.fog.example", "EDGE.fog.example", "10.0.0.7", "fd00::7"].map(str::to_owned).to_vec();
    area.area.issue(&request, &profile, serial(), now()).unwrap();
    for name in ["other.example", "notfog.example", "*.fog.example", "a b", "", "a..fog.example", "-a.fog.example"] {
        profile.names = vec![name.to_owned()];
        let refused = area.area.issue(&request, &profile, serial(), now()).unwrap_err();
        assert!(matches!(&refused, AreaError::Name { name: said, .. } if said == name), "{refused}");
    }
    for id in [agent_id("other", DEVICE), id("/area/harbour"), id("")] {
        let refused = area.area.issue(&request, &agent_profile(id), serial(), now()).unwrap_err();
        assert!(matches!(refused, AreaError::Name { .. }), "{refused}");
    }
    let refused = area.root.issue(&request, &agent_profile(agent_id("harbour", DEVICE)), serial(), now());
    assert!(matches!(refused, Err(AreaError::Name { .. })), "a root signs areas alone");
    let refused = area.area.certify_area(&request, &id("/area/b"), &[], serial(), now());
    assert!(matches!(refused, Err(AreaError::Name { .. })), "an area signs no areas");
}

#[test]
fn a_proof_after_expiry_is_good_for_one_request_and_one_key() {
    let area = Area::new("harbour");
    let (key, issued) = area.agent(DEVICE);
    let (other, _) = area.agent(DEVICE);
    let request = AgentKey::generate().unwrap().request(None, "x").unwrap();
    let proof = key.prove(&request).unwrap();
    assert_eq!(crate::area::verify_proof(&issued.der, &proof, &request).unwrap().key, key.hash());
    assert!(crate::area::verify_proof(&issued.der, &proof, &request[1..]).is_err());
    assert!(crate::area::verify_proof(&issued.der, &other.prove(&request).unwrap(), &request).is_err());
    assert!(crate::area::verify_proof(&issued.der, &key.sign(&request).unwrap(), &request).is_err());
    assert!(crate::area::verify_proof(&[], &proof, &request).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Request::from_der(&bytes);
        let _ = PeerIdentity::of(&bytes);
        let _ = Trust::default().take_list(&bytes, now());
        let _ = Trust::new(1, vec![bytes.clone()], vec![bytes.clone()], vec![bytes], now());
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "(-----BEGIN (NEW )?CERTIFICATE REQUEST-----\n)?\\PC{0,80}\n-----END") {
        let _ = Request::from_pem(&text);
        let _ = AgentKey::from_pem(&text);
        let _ = Authority::from_pem(&text, &text);
    }

    #[test]
    fn no_change_of_a_good_object_makes_a_reader_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<proptest::sample::Index>(),
        which in 0..4_usize,
    ) {
        let area = Area::new("harbour");
        let (key, issued) = area.agent(DEVICE);
        let list = area.list(1, &[&issued.serial]);
        let mut bytes = match which {
            0 => key.request(Some(&agent_id("harbour", DEVICE)), "x").unwrap(),
            1 => issued.der,
            2 => list,
            _ => area.area.certificates()[0].clone(),
        };
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        if which % 2 == 0 {
            bytes.truncate(cut.index(bytes.len() * 4).max(1));
        }
        let _ = Request::from_der(&bytes);
        let _ = PeerIdentity::of(&bytes);
        let mut trust = area.trust();
        let _ = trust.take_list(&bytes, now());
        let _ = trust.check(&chain(&[&bytes, area.area.certificates()[0].as_slice()]), false, false, now());
        let _ = trust.check(&chain(&[&area.agent(DEVICE).1.der, bytes.as_slice()]), false, false, now());
    }
}
