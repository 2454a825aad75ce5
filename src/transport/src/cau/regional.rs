//! The regional CAU: certifies devices, and tells their public keys. One port takes the requests of both iterations: the
//! first byte of a connection tells them apart.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mf2c_domain::legacy::request::{CertRequest, Iteration, LARGEST_REQUEST, looks_whole};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info};

use super::door::{self, Understood};
use super::http::{self, Answer, Asked};
use super::{PATIENCE, RegionalCau, ServerTls};

/// How long a request of the first iteration, which has no end, must be quiet to count as whole.
const QUIET: Duration = Duration::from_millis(300);

/// Serves the regional CAU for as long as it is polled.
pub async fn serve_regional(listener: TcpListener, tls: ServerTls, cau: Arc<dyn RegionalCau>) {
    door::take(listener, "regional CAU", move |tcp, source, understood| {
        let (tls, cau) = (tls(), Arc::clone(&cau));
        async move {
            let Some(tls) = tls else { return };
            if let Err(error) = connection(tcp, source, TlsAcceptor::from(tls), &*cau, &understood).await {
                debug!(%source, %error, "a client of the regional CAU got no answer");
            }
        }
    })
    .await;
}

async fn connection(
    tcp: TcpStream,
    source: SocketAddr,
    tls: TlsAcceptor,
    cau: &dyn RegionalCau,
    understood: &Understood,
) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut stream = timeout(PATIENCE, tls.accept(tcp)).await??;
    let received = timeout(PATIENCE, receive(&mut stream)).await;
    understood.say();
    let answer = match received {
        Err(_) => Answer::new(408, "the request did not come within 15 seconds\n").bytes(),
        Ok(received) => match received? {
            Received::Raw(text) => raw(&text, source, cau).await,
            Received::Http(Ok(asked)) => answered(asked, source, cau).await.bytes(),
            Received::Http(Err(answer)) => answer.bytes(),
            Received::Nothing => return Ok(()),
        },
    };
    understood.done();
    timeout(PATIENCE, async {
        stream.write_all(&answer).await?;
        stream.shutdown().await
    })
    .await?
}

/// What came.
enum Received {
    Raw(Vec<u8>),
    Http(Result<Asked, Answer>),
    Nothing,
}

async fn receive<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<Received> {
    let mut bytes = Vec::with_capacity(4096);
    if more(stream, &mut bytes).await? == 0 {
        return Ok(Received::Nothing);
    }
    // Every method is in capitals, and `csr=` is not.
    if bytes.first().is_some_and(u8::is_ascii_lowercase) {
        return receive_raw(stream, bytes).await.map(Received::Raw);
    }
    receive_http(stream, bytes).await.map(Received::Http)
}

/// A request of the first iteration: up to a line end behind its last pair, the end of what the client sends, or silence.
async fn receive_raw<S: AsyncRead + Unpin>(stream: &mut S, mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    loop {
        let whole = looks_whole(&bytes);
        if (whole && bytes.ends_with(b"\n")) || bytes.len() > LARGEST_REQUEST {
            return Ok(bytes);
        }
        let silence = async {
            if whole {
                tokio::time::sleep(QUIET).await;
            } else {
                pending::<()>().await;
            }
        };
        tokio::select! {
            count = more(stream, &mut bytes) => {
                if count? == 0 {
                    return Ok(bytes);
                }
            }
            () = silence => return Ok(bytes),
        }
    }
}

async fn receive_http<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    mut bytes: Vec<u8>,
) -> io::Result<Result<Asked, Answer>> {
    let head = loop {
        match http::head(&bytes) {
            Ok(Some(head)) => break head,
            Ok(None) => {
                if more(stream, &mut bytes).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Err(answer) => return Ok(Err(answer)),
        }
    };
    if head.waits && bytes.len() < head.length + head.body {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        stream.flush().await?;
    }
    while bytes.len() < head.length + head.body {
        if more(stream, &mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let body = bytes.get(head.length..head.length + head.body).unwrap_or_default();
    Ok(http::asked(&head, body))
}

/// Reads what is there, at most 4 KiB: the bound of a request is looked at in between.
async fn more<S: AsyncRead + Unpin>(stream: &mut S, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut chunk = [0; 4096];
    let count = stream.read(&mut chunk).await?;
    bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
    Ok(count)
}

async fn answered(asked: Asked, source: SocketAddr, cau: &dyn RegionalCau) -> Answer {
    match asked {
        Asked::Certify(request) => Answer::of(certify(*request, source, cau).await),
        Asked::PublicKey(device) => Answer::of(cau.public_key(device).await),
        Asked::Authority => Answer::of(cau.authority().await),
    }
}

/// The first iteration has no way to say what went wrong: its clients read a certificate or fail to.
async fn raw(bytes: &[u8], source: SocketAddr, cau: &dyn RegionalCau) -> Vec<u8> {
    if bytes.len() > LARGEST_REQUEST {
        return format!("ERROR:the request is larger than {LARGEST_REQUEST} bytes").into_bytes();
    }
    let text = String::from_utf8_lossy(bytes);
    let outcome = match CertRequest::parse(&text, Iteration::First) {
        Ok(request) => certify(request, source, cau).await.map_err(|refusal| refusal.to_string()),
        Err(error) => Err(error.to_string()),
    };
    outcome.unwrap_or_else(|reason| format!("ERROR:{reason}")).into_bytes()
}

async fn certify(request: CertRequest, source: SocketAddr, cau: &dyn RegionalCau) -> Result<String, super::CauRefusal> {
    let device = request.device.clone();
    let outcome = cau.certify(request).await;
    match &outcome {
        Ok(_) => info!(%source, device, "the regional CAU has certified a device"),
        Err(refusal) => info!(%source, device, %refusal, "the regional CAU has refused a device"),
    }
    outcome
}
