//! The leader's CAU: an agent shows its certificate here, and that is all. The handshake is the check.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::info;

use super::door::{self, Understood};
use super::{PATIENCE, ServerTls};

/// What an agent says at the end.
pub(super) const FAREWELL: &[u8] = b"bye";
/// More than that is nothing this door waits for.
const MOST: usize = 64;

/// Serves the leader's CAU for as long as it is polled. `tls` demands and checks the certificates of clients.
pub async fn serve_leader(listener: TcpListener, tls: ServerTls) {
    door::take(listener, "leader's CAU", move |tcp, source, understood| {
        let tls = tls();
        async move {
            let Some(tls) = tls else { return };
            if let Err(error) = connection(tcp, source, TlsAcceptor::from(tls), &understood).await {
                info!(%source, %error, "the leader's CAU has refused an agent");
            }
        }
    })
    .await;
}

async fn connection(tcp: TcpStream, source: SocketAddr, tls: TlsAcceptor, understood: &Understood) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut stream = timeout(PATIENCE, tls.accept(tcp)).await??;
    understood.say();
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let holder = shown.map(|own| mf2c_pki::cau::holder(own)).unwrap_or_default();
    info!(%source, holder, "an agent has shown its certificate to the leader's CAU");
    let mut said = Vec::new();
    let farewell = async {
        let mut chunk = [0; MOST];
        while said.len() < MOST && !said.starts_with(FAREWELL) {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(count) => said.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            }
        }
    };
    // Whoever says nothing has been checked all the same.
    let _ = timeout(PATIENCE, farewell).await;
    let _ = timeout(PATIENCE, stream.shutdown()).await;
    Ok(())
}
