//! Chains: what is in a certificate, who is believed, and why others are not.

use std::collections::HashSet;

use super::*;
use crate::area::{AREA_LIFE, TrustError};

fn folder_with(area: &Area, leaf: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_pem(folder.path(), "root.pem", &[&area.root.certificates()[0]]);
    write_pem(folder.path(), "area.pem", &[&area.area.certificates()[0]]);
    write_pem(folder.path(), "leaf.pem", &[leaf]);
    folder
}

fn verified(folder: &Path, purpose: &str, at: Timestamp) -> (bool, String) {
    let at = (at.millis() / 1000).to_string();
    let chain = ["-CAfile", "root.pem", "-untrusted", "area.pem", "leaf.pem"];
    let strict = ["verify", "-x509_strict", "-purpose", purpose, "-attime", &at];
    openssl(folder, &[&strict[..], &chain[..]].concat())
}

#[test]
fn openssl_verifies_the_chain_of_an_agent_as_client_and_server() {
    let area = Area::new("harbour");
    let (key, _) = area.agent(DEVICE);
    let mut profile = agent_profile(agent_id("harbour", DEVICE));
    profile.names = vec!["edge.fog.example".to_owned(), "192.0.2.7".to_owned()];
    let issued = area.issue(&key, &profile);
    let folder = folder_with(&area, &issued.der);
    for purpose in ["sslserver", "sslclient"] {
        let (good, said) = verified(folder.path(), purpose, now());
        assert!(good, "{said}");
    }
    let (_, said) = openssl(folder.path(), &["x509", "-in", "leaf.pem", "-noout", "-text"]);
    for part in [
        &format!("URI:spiffe://fog.example/area/harbour/agent/{DEVICE}"),
        "DNS:82562229e7978f50ad8097019a6697e3.agent.mf2c.internal, DNS:localhost",
        "IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
        "DNS:edge.fog.example",
        "IP Address:192.0.2.7",
        &format!("CN = {DEVICE}, OU = agent"),
        "Digital Signature",
        "TLS Web Client Authentication, TLS Web Server Authentication",
        "Not Before: Mar  1 11:55:00 2026 GMT",
        "Not After : Mar  2 12:00:00 2026 GMT",
        "CA:FALSE",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert_eq!(said.matches("URI:").count(), 1);
}

#[test]
fn root_and_area_are_as_the_design_says() {
    let area = Area::new("harbour");
    let folder = folder_with(&area, &[]);
    let (_, root) = openssl(folder.path(), &["x509", "-in", "root.pem", "-noout", "-text"]);
    for part in ["CA:TRUE, pathlen:1", "Certificate Sign, CRL Sign", "URI:spiffe://fog.example\n", "2036 GMT"] {
        assert!(root.contains(part), "{part} in {root}");
    }
    let (_, said) = openssl(folder.path(), &["x509", "-in", "area.pem", "-noout", "-text"]);
    for part in [
        "CA:TRUE, pathlen:0",
        "Certificate Sign, CRL Sign",
        "URI:spiffe://fog.example/area/harbour\n",
        "DNS:mf2c.internal",
        "DNS:localhost",
        "DNS:fog.example",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let (from, until) = area.area.validity();
    assert_eq!(until.nanos() - now().nanos(), i128::try_from(AREA_LIFE.as_nanos()).unwrap());
    assert_eq!(from, later(-5 * MINUTE));
    assert_eq!(PeerIdentity::of(&area.area.certificates()[0]).unwrap().issuer, area.root.key_id());
}

#[test]
fn an_agent_is_believed_with_and_without_the_authority_in_its_chain() {
    let area = Area::new("harbour");
    let (key, issued) = area.agent(DEVICE);
    let by = &area.area.certificates()[0];
    let known = area.trust();
    let peer = known.check(&chain(&[&issued.der]), true, false, now()).unwrap();
    assert_eq!((peer.key, peer.unit.as_str(), &peer.issuer), (key.hash(), "agent", &area.area.key_id()));
    assert_eq!(peer.authority, Some(PeerIdentity::of(by).unwrap().serial));
    let roots_alone = trust(1, &[&area.root], &[]);
    assert_eq!(
        roots_alone.check(&chain(&[&issued.der]), false, false, now()),
        Err(TrustError::UnknownAuthority),
        "nobody has shown the authority"
    );
    assert_eq!(roots_alone.check(&chain(&[&issued.der, by]), false, false, now()).unwrap(), peer);
    assert_eq!(
        Trust::default().check(&chain(&[&issued.der, by]), false, false, now()),
        Err(TrustError::UnknownAuthority)
    );
}

#[test]
fn the_same_names_by_another_root_are_not_believed() {
    let (ours, theirs) = (Area::new("harbour"), Area::new("harbour"));
    let (_, issued) = theirs.agent(DEVICE);
    let shown = chain(&[&issued.der, &theirs.area.certificates()[0], &theirs.root.certificates()[0]]);
    assert_eq!(ours.trust().check(&shown, false, false, now()), Err(TrustError::UnknownAuthority));
}

#[test]
fn a_clock_three_minutes_behind_is_forgiven_and_one_ten_minutes_behind_is_told() {
    let area = Area::new("harbour");
    let (_, issued) = area.agent(DEVICE);
    let shown = chain(&[&issued.der]);
    let trust = area.trust();
    trust.check(&shown, false, false, later(-3 * MINUTE)).unwrap();
    let refused = trust.check(&shown, false, false, later(-10 * MINUTE)).unwrap_err();
    assert_eq!(refused, TrustError::NotYetValid(later(-5 * MINUTE)));
    assert!(refused.to_string().contains("clocks"));
}

#[test]
fn a_certificate_ends_when_it_says() {
    let area = Area::new("harbour");
    let (_, issued) = area.agent(DEVICE);
    let (shown, trust) = (chain(&[&issued.der]), area.trust());
    trust.check(&shown, false, false, later(24 * HOUR)).unwrap();
    let ended = later(24 * HOUR + 1000);
    assert_eq!(trust.check(&shown, false, false, ended), Err(TrustError::Expired(later(24 * HOUR))));
    assert_eq!(trust.check_expired(&issued.der, false, ended).unwrap().serial, issued.serial);
    assert!(trust.check_expired(&issued.der, true, ended).is_err(), "no list is known");
    assert_eq!(
        Area::new("harbour").trust().check_expired(&issued.der, false, ended),
        Err(TrustError::UnknownAuthority)
    );
}

#[test]
fn nothing_outlives_its_authority_and_an_expired_authority_signs_nothing() {
    let area = Area::new("harbour");
    let key = AgentKey::generate().unwrap();
    let request = Request::from_der(&key.request(None, "x").unwrap()).unwrap();
    let (_, end) = area.area.validity();
    let profile = agent_profile(agent_id("harbour", DEVICE));
    let last = Timestamp::from_nanos(end.nanos() - 1_000_000_000);
    let issued = area.area.issue(&request, &profile, serial(), last).unwrap();
    assert_eq!((issued.not_after, PeerIdentity::of(&issued.der).unwrap().not_after), (end, end));
    for at in [end, later(-6 * MINUTE)] {
        assert!(area.area.issue(&request, &profile, serial(), at).unwrap_err().to_string().contains("set the clock"));
    }
    assert!(area.root.certify_area(&request, area.area.id(), &[], serial(), Timestamp::from_nanos(i128::MAX)).is_err());
    assert!(Authority::new_root("fog.example", Timestamp::from_nanos(i128::MAX), &Random).is_err());
}

#[test]
fn an_authority_cannot_vouch_for_another_area() {
    let root = Authority::new_root("fog.example", now(), &Random).unwrap();
    let ours = Area::below(root, "harbour");
    // An authority that was told to be another: its key signs what names the first area.
    let mut liar = Authority::new_area(&id("/area/other")).unwrap();
    let certificate = certify(&ours.root, &liar, &[]).der;
    let mut posing = Authority::new_area(&id("/area/harbour")).unwrap();
    let pem = super::super::pem::block("CERTIFICATE", &certificate);
    liar.set_certificates(vec![certificate.clone()]).unwrap();
    posing.set_certificates(vec![certificate.clone()]).unwrap_err();
    let forged = forged_leaf(&liar, "spiffe://fog.example/area/harbour/agent/x", &["ok.mf2c.internal"]);
    let refused = ours.trust().check(&chain(&[&forged, &certificate]), false, false, now()).unwrap_err();
    assert!(matches!(&refused, TrustError::ForeignName(name) if name.contains("harbour")), "{refused}");
    let honest = forged_leaf(&liar, "spiffe://fog.example/area/other/agent/x", &["ok.mf2c.internal"]);
    ours.trust().check(&chain(&[&honest, &certificate]), false, false, now()).unwrap();
    let domain = forged_leaf(&liar, "spiffe://mist.example/area/other/agent/x", &["ok.mf2c.internal"]);
    assert!(matches!(
        ours.trust().check(&chain(&[&domain, &certificate]), false, false, now()),
        Err(TrustError::ForeignName(_))
    ));
    let host = forged_leaf(&liar, "spiffe://fog.example/area/other/agent/x", &["bank.example"]);
    assert!(matches!(
        ours.trust().check(&chain(&[&host, &certificate]), false, false, now()),
        Err(TrustError::ForeignName(_))
    ));
    assert!(Authority::from_pem(&posing.key_pem(), &pem).is_err(), "another key");
}

/// A certificate that no authority of ours would make, signed with the key of one.
fn forged_leaf(by: &Authority, uri: &str, hosts: &[&str]) -> Vec<u8> {
    let mut issuing = rcgen::CertificateParams::default();
    issuing.distinguished_name = rcgen::DistinguishedName::new();
    issuing.distinguished_name.push(rcgen::DnType::CommonName, by.id().area().unwrap());
    issuing.distinguished_name.push(rcgen::DnType::OrganizationalUnitName, "area");
    issuing.distinguished_name.push(rcgen::DnType::OrganizationName, "fog.example");
    let issuer = rcgen::Issuer::new(issuing, rcgen::KeyPair::from_pem(&by.key_pem()).unwrap());
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(hosts).unwrap();
    params.subject_alt_names.push(rcgen::SanType::URI(uri.try_into().unwrap()));
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2026, 2, 1), rcgen::date_time_ymd(2026, 4, 1));
    params.signed_by(&rcgen::KeyPair::generate().unwrap(), &issuer).unwrap().der().to_vec()
}

#[test]
fn a_user_is_no_server_and_an_authority_is_no_peer() {
    let area = Area::new("harbour");
    let (_, user) = area.user(DEVICE, "jane");
    let trust = area.trust();
    let peer = trust.check(&chain(&[&user.der]), false, false, now()).unwrap();
    assert_eq!(peer.unit, "user");
    assert!(matches!(trust.check(&chain(&[&user.der]), true, false, now()), Err(TrustError::Use(_))));
    let folder = folder_with(&area, &user.der);
    assert!(verified(folder.path(), "sslclient", now()).0);
    assert!(!verified(folder.path(), "sslserver", now()).0);
    for authority in [&area.area, &area.root] {
        let shown = chain(&[&authority.certificates()[0]]);
        assert!(matches!(trust.check(&shown, false, false, now()), Err(TrustError::Use(_))));
    }
    assert!(matches!(trust.check(&[], false, false, now()), Err(TrustError::Broken(_))));
    let long = vec![CertificateDer::from(user.der.as_slice()); 11];
    assert!(matches!(trust.check(&long, false, false, now()), Err(TrustError::Broken(_))));
}

#[test]
fn whoever_knows_either_root_believes_an_agent_while_roots_change() {
    let Area { root: old, mut area } = Area::new("harbour");
    let new = Authority::new_root("fog.example", later(MINUTE), &Random).unwrap();
    let before = area.certificates()[0].clone();
    let request = Request::from_der(&area.request().unwrap()).unwrap();
    let cross =
        new.certify_area(&request, area.id(), &["fog.example".to_owned()], serial(), later(2 * MINUTE)).unwrap();
    area.set_certificates(vec![before.clone(), cross.der.clone()]).unwrap();
    assert_eq!(area.certificates(), [cross.der.clone(), before.clone()], "the newest first");
    let key_ids: HashSet<String> =
        area.certificates().iter().map(|der| PeerIdentity::of(der).unwrap().key_id()).collect();
    assert_eq!(key_ids, HashSet::from([area.key_id()]));

    let both = Area { root: old, area };
    let (_, issued) = both.agent(DEVICE);
    let shown = chain(&[&issued.der, &cross.der, &before]);
    let three =
        [trust(1, &[&both.root], &[]), trust(2, &[&both.root, &new], &[&both.area]), trust(3, &[&new], &[&both.area])];
    for believed in &three {
        believed.check(&shown, true, false, later(3 * MINUTE)).unwrap();
    }
    assert_eq!(
        three[2].intermediates(),
        std::slice::from_ref(&cross.der),
        "what nobody vouches for any more is left out"
    );
    let folder = tempfile::tempdir().unwrap();
    let by = three[1].intermediates_of(&both.area.key_id());
    assert_eq!(by, [before.as_slice(), cross.der.as_slice()], "the oldest first, for OpenSSL");
    write_pem(folder.path(), "leaf.pem", &[&issued.der]);
    let (old, new_der) = (&both.root.certificates()[0], &new.certificates()[0]);
    for (area, roots) in [(by.clone(), vec![old]), (by.clone(), vec![old, new_der]), (vec![&cross.der], vec![new_der])]
    {
        write_pem(folder.path(), "area.pem", &area);
        write_pem(folder.path(), "root.pem", &roots.into_iter().map(Vec::as_slice).collect::<Vec<_>>());
        let (good, said) = verified(folder.path(), "sslserver", later(3 * MINUTE));
        assert!(good, "{said}");
    }
    assert_eq!(
        trust(1, &[&both.root], &[]).check(&chain(&[&issued.der, &cross.der]), true, false, later(3 * MINUTE)),
        Err(TrustError::UnknownAuthority),
        "who missed the change is told so"
    );
}

#[test]
fn two_certificates_of_one_moment_have_two_serials() {
    let area = Area::new("harbour");
    let serials: HashSet<Serial> = (0..50).map(|_| area.agent(DEVICE).1.serial).collect();
    assert_eq!(serials.len(), 50);
    let (_, issued) = area.agent(DEVICE);
    assert_eq!(PeerIdentity::of(&issued.der).unwrap().serial, issued.serial);
    assert_eq!(issued.serial.to_string().parse::<Serial>().unwrap(), issued.serial);
}

#[test]
fn roots_that_are_none_are_refused() {
    let area = Area::new("harbour");
    let root = area.root.certificates()[0].clone();
    let mut broken = root.clone();
    *broken.last_mut().unwrap() ^= 1;
    let other = Authority::new_root("mist.example", now(), &Random).unwrap().certificates()[0].clone();
    for roots in
        [vec![], vec![broken], vec![area.area.certificates()[0].clone()], vec![root.clone(), other], vec![root; 9]]
    {
        assert!(matches!(Trust::new(1, roots, vec![], vec![], now()), Err(TrustError::Broken(_))));
    }
}
