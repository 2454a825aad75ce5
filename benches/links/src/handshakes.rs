//! Opens links to an agent and closes them again, as fast as it goes: TCP, mutual TLS 1.3, both Hellos.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mf2c_fabric::wire::{Ask, Decoder, Hello, Message, PROTOCOL_VERSION, TrustNews, encode};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::member::{self, Member, world};
use crate::{Outcome, say};

/// Handshakes under way at a time. Fewer than an agent lets one address have half open.
const AT_ONCE: usize = 8;

pub(crate) fn run(tokens: Vec<String>, time: Duration) -> Outcome<()> {
    member::run(async move {
        let member = Member::join(tokens.first().ok_or("no token")?).await?;
        member.ask(Ask::Trust { have: member.news() }).await?;
        let config = member.credentials.link_client(&member.leader).ok_or("no membership")?;
        let id = member.credentials.membership().ok_or("no membership")?.own.id.clone();
        let hello = Message::Hello(Hello {
            v: vec![PROTOCOL_VERSION],
            area: id.area().unwrap_or_default().to_owned(),
            node: id.to_string(),
            role: "agent".into(),
            term: 0,
            incarnation: 0,
            boot: 0,
            origin: vec![].into(),
            listen: String::new(),
            clock: world().clock.now().millis(),
            features: vec![],
            max_frame: 1 << 20,
            // Nothing is to be sent to somebody who knows it all.
            trust: TrustNews { bundle: u64::MAX, lists: member.news().lists },
        });
        let hello = Arc::new(encode(&hello, 1 << 20)?);
        let (done, started) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let (config, hello, done) = (Arc::clone(&config), Arc::clone(&hello), Arc::clone(&done));
            let address = member.address.clone();
            tasks.spawn(async move {
                while started.elapsed() < time {
                    open(&address, &config, &hello).await?;
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

/// One link, until the peer's Hello is there.
async fn open(address: &str, config: &Arc<ClientConfig>, hello: &[u8]) -> Outcome<()> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from("leader.agent.mf2c.internal")?;
    let mut tls = TlsConnector::from(Arc::clone(config)).connect(name, tcp).await?;
    tls.write_all(hello).await?;
    tls.flush().await?;
    let (mut decoder, mut piece) = (Decoder::new(1 << 20), [0; 4096]);
    loop {
        let read = tls.read(&mut piece).await?;
        decoder.feed(&piece[..read]);
        match decoder.next()? {
            Some(Message::Hello(_)) => break,
            Some(other) => return Err(format!("instead of a Hello: {other:?}").into()),
            None if read == 0 => return Err("closed before its Hello".into()),
            None => {}
        }
    }
    tls.shutdown().await?;
    Ok(())
}
