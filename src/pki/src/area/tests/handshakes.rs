//! Handshakes over real sockets: who gets in, who does not, and what changes while connections are open.

use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion, RootCertStore};

use super::loopback::{Echo, dial, round};
use super::*;
use crate::area::{JOIN_ALPN, LINK_ALPN, Recorder, join_client};
use crate::provider;

fn link_echo(of: &Credentials) -> Echo {
    let of = of.clone();
    Echo::start(move || of.link_server().unwrap())
}

fn api_echo(of: &Credentials) -> Echo {
    let of = of.clone();
    Echo::start(move || of.api_server())
}

/// A client as others write it: believes the roots by host name, shows what it is given.
fn stock_client(
    area: &Area,
    versions: &[&'static rustls::SupportedProtocolVersion],
    shown: Option<(&AgentKey, &[u8])>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(area.root.certificates()[0].clone())).unwrap();
    let inner =
        rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap();
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(InMarch(inner)));
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some((key, der)) => {
            let chain =
                vec![CertificateDer::from(der.to_vec()), CertificateDer::from(area.area.certificates()[0].clone())];
            let key = PrivateKeyDer::try_from(key.to_der().secret_der().to_vec()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    Arc::new(config)
}

/// The library's own verifier, at the time of these tests.
#[derive(Debug)]
struct InMarch(Arc<rustls::client::WebPkiServerVerifier>);

impl rustls::client::danger::ServerCertVerifier for InMarch {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &rustls::pki_types::ServerName<'_>,
        ocsp: &[u8],
        _now: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        let now = rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_millis(now().millis()));
        self.0.verify_server_cert(own, others, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, own, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, own, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[test]
fn two_agents_of_an_area_meet_with_post_quantum_key_exchange_and_no_resumption() {
    let area = Area::new("harbour");
    let ((server, _), (client, _)) = (area.credentials("leader"), area.credentials(DEVICE));
    let echo = link_echo(&server);
    let config = client.link_client(&agent_id("harbour", "leader")).unwrap();
    for _ in 0..2 {
        dial(&echo, &config).unwrap();
        let guest = echo.guest().unwrap();
        assert_eq!(guest.peer.unwrap().id, agent_id("harbour", DEVICE));
        assert_eq!(guest.protocol.as_deref(), Some(LINK_ALPN));
        assert_eq!(guest.version, Some(ProtocolVersion::TLSv1_3));
        assert_eq!(guest.group, Some(NamedGroup::X25519MLKEM768));
        assert_eq!(guest.kind, Some(HandshakeKind::Full));
    }
}

#[test]
fn a_link_is_made_to_the_expected_agent_and_nobody_else() {
    let area = Area::new("harbour");
    let ((server, _), (client, _)) = (area.credentials("leader"), area.credentials(DEVICE));
    let config = client.link_client(&agent_id("harbour", "somebody")).unwrap();
    let said = dial(&link_echo(&server), &config).unwrap_err().to_string();
    assert!(said.contains("expected spiffe://fog.example/area/harbour/agent/somebody"), "{said}");
}

#[test]
fn a_link_to_whoever_is_of_the_area_is_made_to_its_agents_and_to_no_others() {
    let area = Area::new("harbour");
    let ((server, _), (client, _)) = (area.credentials("leader"), area.credentials(DEVICE));
    let config = client.area_client().unwrap();
    dial(&link_echo(&server), &config).unwrap();
    // Of the same name, but below another root.
    let (stranger, _) = Area::new("harbour").credentials("leader");
    let said = dial(&link_echo(&stranger), &config).unwrap_err().to_string();
    assert!(said.contains("UnknownIssuer"), "{said}");
    // Below the same root, but of another area.
    let Area { root, .. } = area;
    let (neighbour, _) = Area::below(root, "pier").credentials("leader");
    let said = dial(&link_echo(&neighbour), &config).unwrap_err().to_string();
    assert!(said.contains("expected another agent of the area `harbour`"), "{said}");
}

#[test]
fn who_is_not_an_agent_of_a_believed_root_gets_no_link() {
    let (area, foreign) = (Area::new("harbour"), Area::new("harbour"));
    let (server, _) = area.credentials("leader");
    let echo = link_echo(&server);
    let tls13: &[_] = &[&rustls::version::TLS13];
    let (user_key, user) = area.user("leader", "jane");
    let (foreign_key, stranger) = foreign.agent(DEVICE);
    let (key, issued) = area.agent(DEVICE);
    for (config, part) in [
        (stock_client(&area, tls13, None), "peer sent no certificates"),
        (stock_client(&area, tls13, Some((&user_key, &user.der))), "expected an agent"),
        (stock_client(&area, tls13, Some((&foreign_key, &stranger.der))), "UnknownIssuer"),
        (stock_client(&area, &[&rustls::version::TLS12], Some((&key, &issued.der))), "Tls12"),
    ] {
        assert!(dial(&echo, &config).is_err());
        let said = echo.guest().unwrap_err();
        assert!(said.contains(part), "{part}: {said}");
    }
    dial(&echo, &stock_client(&area, tls13, Some((&key, &issued.der)))).unwrap();
    assert!(echo.guest().unwrap().protocol.is_none(), "whether a protocol was agreed on is for the link to look at");
}

#[test]
fn expired_early_and_revoked_peers_are_refused_in_both_directions() {
    let area = Area::new("harbour");
    let ((server, server_clock), (client, client_clock)) = (area.credentials("leader"), area.credentials(DEVICE));
    let echo = link_echo(&server);
    let config = client.link_client(&agent_id("harbour", "leader")).unwrap();
    for (at, part) in [(later(24 * HOUR + 1000), "Expired"), (later(-10 * MINUTE), "NotValidYet")] {
        server_clock.set(at);
        assert!(dial(&echo, &config).is_err());
        assert!(echo.guest().unwrap_err().contains(part));
        server_clock.set(now());
        client_clock.set(at);
        let said = dial(&echo, &config).unwrap_err().to_string();
        assert!(said.contains(part), "{said}");
        echo.guest().unwrap_err();
        client_clock.set(now());
    }
    let mut open = dial(&echo, &config).unwrap();
    echo.guest().unwrap();
    let mut trust = (*server.trust()).clone();
    let own = client.membership().unwrap().own.serial.clone();
    trust.take_list(&area.list(1, &[&own]), now()).unwrap();
    server.set_trust(trust).unwrap();
    assert!(dial(&echo, &config).unwrap_err().to_string().contains("CertificateRevoked"));
    assert!(echo.guest().unwrap_err().contains("Revoked"));
    round(&mut open).unwrap();
}

#[test]
fn a_new_certificate_is_shown_from_the_next_handshake_on_and_open_connections_stay() {
    let area = Area::new("harbour");
    let ((server, _), (client, _)) = (area.credentials("leader"), area.credentials(DEVICE));
    // A config taken before the change, as a listener may hold it.
    let held = server.link_server().unwrap();
    let echo = Echo::start(move || Arc::clone(&held));
    let config = client.link_client(&agent_id("harbour", "leader")).unwrap();
    let mut open = dial(&echo, &config).unwrap();
    let first = echo.guest().unwrap().peer.unwrap().serial;
    let (server_new, client_new) = (area.membership("leader"), area.membership(DEVICE));
    let (server_serial, client_serial) = (server_new.own.serial.clone(), client_new.own.serial.clone());
    server.install(server_new, area.trust()).unwrap();
    client.install(client_new, area.trust()).unwrap();
    let next = dial(&echo, &config).unwrap();
    let shown = PeerIdentity::of(&next.conn.peer_certificates().unwrap()[0]).unwrap().serial;
    let guest = echo.guest().unwrap().peer.unwrap().serial;
    assert_eq!((shown, &guest), (server_serial, &client_serial));
    assert_ne!(first, client_serial);
    round(&mut open).unwrap();
}

#[test]
fn no_handshake_fails_while_roots_change() {
    let Area { root: old, mut area } = Area::new("harbour");
    let mut both = Area { root: old, area: Authority::new_area(&id("/area/harbour")).unwrap() };
    std::mem::swap(&mut both.area, &mut area);
    let ((server, _), (client, _)) = (both.credentials("leader"), both.credentials(DEVICE));
    let (echo, leader) = (link_echo(&server), agent_id("harbour", "leader"));
    let meet = || {
        dial(&echo, &client.link_client(&leader).unwrap()).unwrap();
        echo.guest().unwrap();
    };
    let new = Authority::new_root("fog.example", now(), &Random).unwrap();
    let cross = certify(&new, &both.area, &["fog.example"]).der;
    let before = both.area.certificates()[0].clone();
    both.area.set_certificates(vec![before, cross]).unwrap();
    meet();
    for (sequence, roots) in [(2, vec![&both.root, &new]), (3, vec![&new])] {
        for one in [&server, &client] {
            one.set_trust(trust(sequence, &roots, &[&both.area])).unwrap();
            meet();
        }
    }
    let back = server.set_trust(both.trust()).unwrap_err();
    assert!(matches!(back, crate::PkiError::OldTrust { sequence: 1, known: 3 }), "{back}");
}

#[test]
fn who_joins_sees_the_whole_chain_before_anything_is_believed() {
    let (area, liar) = (Area::new("harbour"), Area::new("harbour"));
    let (server, _) = area.credentials("leader");
    let of = server.clone();
    let echo = Echo::start(move || of.join_server().unwrap());
    let (config, recorder): (_, Arc<Recorder>) = join_client().unwrap();
    assert!(recorder.chain().is_empty());
    dial(&echo, &config).unwrap();
    let guest = echo.guest().unwrap();
    assert_eq!((guest.protocol.as_deref(), guest.peer), (Some(JOIN_ALPN), None));
    let seen = recorder.chain();
    assert_eq!(seen.last().unwrap().as_ref(), area.root.certificates()[0]);
    assert_eq!(seen.len(), 3);
    let root = trust(1, &[&area.root], &[]);
    assert_eq!(root.check(&seen, true, false, now()).unwrap().id, agent_id("harbour", "leader"));
    trust(1, &[&liar.root], &[]).check(&seen, true, false, now()).unwrap_err();
    let link = server.link_client(&agent_id("harbour", "leader")).unwrap();
    assert!(dial(&echo, &link).is_err(), "another protocol");
    echo.guest().unwrap_err();
}

#[test]
fn the_api_shows_the_areas_certificate_and_takes_users_of_this_agent_alone() {
    let area = Area::new("harbour");
    let (server, _) = area.credentials(DEVICE);
    let echo = api_echo(&server);
    let both: &[_] = &[&rustls::version::TLS12, &rustls::version::TLS13];
    let (key, user) = area.user(DEVICE, "jane");
    for version in both {
        for _ in 0..2 {
            let config = stock_client(&area, &[version], Some((&key, &user.der)));
            dial(&echo, &config).unwrap();
            let guest = echo.guest().unwrap();
            assert_eq!(guest.peer.unwrap().serial, user.serial);
            assert_eq!(guest.kind, Some(HandshakeKind::Full));
        }
        let config = stock_client(&area, &[version], None);
        for _ in 0..2 {
            dial(&echo, &config).unwrap();
            let guest = echo.guest().unwrap();
            assert!(guest.peer.is_none());
            assert_ne!(guest.kind, Some(HandshakeKind::Resumed));
        }
    }
    let (other_key, other) = area.user("other", "jane");
    let (agent_key, agent) = area.agent(DEVICE);
    for (key, der) in [(&other_key, &other.der), (&agent_key, &agent.der)] {
        assert!(dial(&echo, &stock_client(&area, both, Some((key, der)))).is_err());
        let said = echo.guest().unwrap_err();
        assert!(said.contains("expected a user of this agent"), "{said}");
    }
    assert_eq!(server.api_certificate_ends(), server.membership().unwrap().own.not_after);
}

#[test]
fn a_user_whose_certificate_has_expired_gets_in_where_he_is_told_so_and_nowhere_else() {
    let (area, foreign) = (Area::new("harbour"), Area::new("harbour"));
    let (server, clock) = area.credentials(DEVICE);
    let of = server.clone();
    let (late, api) = (Echo::start(move || of.late_server()), api_echo(&server));
    let both: &[_] = &[&rustls::version::TLS12, &rustls::version::TLS13];
    let ((key, user), (agent_key, agent)) = (area.user(DEVICE, "jane"), area.agent(DEVICE));
    let (foreign_key, stranger) = foreign.user(DEVICE, "jane");
    let config = stock_client(&area, both, Some((&key, &user.der)));
    clock.set(later(i64::try_from(LEAF_LIFE.as_millis()).unwrap() + 1000));
    assert!(dial(&api, &config).is_err() && api.guest().unwrap_err().contains("Expired"));
    dial(&late, &config).unwrap();
    assert_eq!(late.guest().unwrap().peer.unwrap().serial, user.serial);
    for (key, der, part) in
        [(&agent_key, &agent.der, "expected a user"), (&foreign_key, &stranger.der, "UnknownIssuer")]
    {
        assert!(dial(&late, &stock_client(&area, both, Some((key, der)))).is_err());
        let said = late.guest().unwrap_err();
        assert!(said.contains(part), "{said}");
    }
    let mut trust = (*server.trust()).clone();
    trust.take_list(&area.list(1, &[&user.serial]), now()).unwrap();
    server.set_trust(trust).unwrap();
    assert!(dial(&late, &config).is_err() && late.guest().unwrap_err().contains("Revoked"));
}

#[test]
fn without_an_area_the_api_is_as_it_was_and_there_are_no_links() {
    let data = tempfile::tempdir().unwrap();
    let (own, _) = crate::load_or_create(data.path(), &[], now()).unwrap();
    let (shown, ends) = (own.chain()[0].clone(), own.not_after());
    let credentials = Credentials::new(ApiIdentity::SelfMade(own), Hands::new(), false).unwrap();
    assert!(credentials.link_server().is_none() && credentials.join_server().is_none());
    assert!(credentials.link_client(&agent_id("a", "x")).is_none() && credentials.membership().is_none());
    assert_eq!(credentials.api_certificate_ends(), ends);
    let (config, recorder) = join_client().unwrap();
    let mut config = (*config).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    dial(&api_echo(&credentials), &Arc::new(config)).unwrap();
    assert_eq!(recorder.chain(), [shown]);
}

#[test]
fn certificates_that_the_operator_gave_are_shown_and_users_still_get_in() {
    let area = Area::new("harbour");
    let data = tempfile::tempdir().unwrap();
    let (own, _) = crate::load_or_create(data.path(), &[], now()).unwrap();
    let ends = own.not_after();
    let credentials = Credentials::new(ApiIdentity::Configured(own), Hands::new(), false).unwrap();
    credentials.install(area.membership(DEVICE), area.trust()).unwrap();
    assert_eq!(credentials.api_certificate_ends(), ends);
    let echo = api_echo(&credentials);
    let (key, user) = area.user(DEVICE, "jane");
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let (_, recorder) = join_client().unwrap();
    let config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recorder) as _)
        .with_client_auth_cert(vec![CertificateDer::from(user.der)], key.to_der())
        .unwrap();
    dial(&echo, &Arc::new(config)).unwrap();
    assert_eq!(echo.guest().unwrap().peer.unwrap().serial, user.serial);
    assert!(!recorder.supported_verify_schemes().is_empty());
}

#[test]
fn a_key_that_does_not_belong_to_its_certificate_changes_nothing() {
    let area = Area::new("harbour");
    let (credentials, _) = area.credentials(DEVICE);
    let before = credentials.membership().unwrap().own.serial.clone();
    let mut wrong = area.membership(DEVICE);
    wrong.key = AgentKey::generate().unwrap();
    assert!(matches!(credentials.install(wrong, area.trust()), Err(crate::PkiError::Unusable { .. })));
    assert_eq!(credentials.membership().unwrap().own.serial, before);
    let said = format!("{credentials:?} {:?} {:?}", credentials.membership().unwrap(), area.area);
    assert!(said.contains(DEVICE) && !said.contains("PRIVATE"), "{said}");
}
