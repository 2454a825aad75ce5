//! What rustls can do here at best: mutual TLS 1.3 with the chains of an area, checked by its own verifiers, without names,
//! lists, Hellos, or anything behind. The server has a thread of its own, as the agent's links have.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mf2c_domain::area::spiffe::{SpiffeId, Subject};
use mf2c_pki::area::{AgentKey, Authority, LEAF_LIFE, Profile, Request, Serial};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::member::{self, world};
use crate::{Outcome, say};

/// As in `handshakes`.
const AT_ONCE: usize = 8;

/// Certificates below one root, and their keys.
struct Chains {
    roots: RootCertStore,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn chains() -> Outcome<Chains> {
    let world = world();
    let (now, entropy) = (world.clock.now(), &*world.entropy);
    let root = Authority::new_root("bench.example", now, entropy)?;
    let name = |subject| SpiffeId { trust_domain: "bench.example".into(), subject };
    let id = name(Subject::Area { area: "a".into() });
    let mut area = Authority::new_area(&id)?;
    let request = Request::from_der(&area.request()?)?;
    let issued = root.certify_area(&request, &id, &[], Serial::random(entropy), now)?;
    area.set_certificates(vec![issued.der.clone()])?;
    let key = AgentKey::generate()?;
    let profile = Profile {
        id: name(Subject::Agent { area: "a".into(), device: "d".into() }),
        unit: "agent",
        names: vec![],
        server: true,
        life: LEAF_LIFE,
    };
    let leaf = area.issue(&Request::from_der(&key.request(None, "d")?)?, &profile, Serial::random(entropy), now)?;
    let mut roots = RootCertStore::empty();
    roots.add(root.certificates()[0].clone().into())?;
    let key = PrivateKeyDer::from_pem_slice(key.to_pem().as_bytes()).map_err(|error| error.to_string())?;
    Ok(Chains { roots, chain: vec![leaf.der.into(), issued.der.into()], key })
}

fn server(chains: &Chains) -> Outcome<ServerConfig> {
    let provider = mf2c_pki::provider();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(chains.roots.clone()), Arc::clone(&provider)).build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chains.chain.clone(), chains.key.clone_key())?;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn client(chains: &Chains) -> Outcome<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(mf2c_pki::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(chains.roots.clone())
        .with_client_auth_cert(chains.chain.clone(), chains.key.clone_key())?;
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

pub(crate) fn run(time: Duration) -> Outcome<()> {
    let chains = chains()?;
    let (acceptor, connector) =
        (TlsAcceptor::from(Arc::new(server(&chains)?)), TlsConnector::from(Arc::new(client(&chains)?)));
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    // It ends with the process.
    std::thread::spawn(move || member::run(serve(listener, acceptor)));
    member::run(async move {
        let (done, started) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let (connector, done) = (connector.clone(), Arc::clone(&done));
            tasks.spawn(async move {
                while started.elapsed() < time {
                    let tcp = TcpStream::connect(address).await?;
                    tcp.set_nodelay(true)?;
                    let mut tls = connector.connect(ServerName::try_from("localhost")?, tcp).await?;
                    let mut byte = [0];
                    // The server's byte says that it has taken the client's certificate.
                    tls.read_exact(&mut byte).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Outcome::Ok(())
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        let done = done.load(Ordering::Relaxed);
        say("handshakes", done)?;
        say("rate", done as f64 / started.elapsed().as_secs_f64())
    })
}

async fn serve(listener: std::net::TcpListener, acceptor: TlsAcceptor) -> Outcome<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut tls = acceptor.accept(tcp).await?;
            tls.write_all(b"!").await?;
            tls.flush().await
        });
    }
}
