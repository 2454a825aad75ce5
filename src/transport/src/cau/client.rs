//! cau-client: gets a certificate for this device from the regional CAU, keeps it, and shows it to the leader's CAU.
//!
//! The original believed whichever certificate a CAU showed first. Here a CAU is believed only if somebody who is known
//! vouches for its name, before anything is sent to it.

use std::io;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use mf2c_domain::area::token::JoinToken;
use mf2c_domain::legacy::identity::common_name;
use mf2c_domain::legacy::request::{CertRequest, Iteration};
use mf2c_domain::time::Clock;
use mf2c_pki::cau::{Anchors, CauError, DeviceCertificate, DeviceKey, authority_in, client_config};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, redirect};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tracing::info;

use super::RegionalCau;
use super::http::TOKEN;
use super::leader::FAREWELL;
use super::pkidata::PkiData;

/// How long one step may take: a connection with its handshake, or a question with its answer.
const STEP: Duration = Duration::from_secs(8);
/// How long everything may take. The original's policies wait for 15 seconds.
const TOTAL: Duration = Duration::from_secs(14);
/// The largest answer of a CAU, in bytes.
const LARGEST_ANSWER: usize = 64 << 10;

/// How a regional CAU is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// One request on a bare TLS connection.
    First,
    /// HTTP.
    Second,
}

/// What cau-client is told at start.
#[derive(Debug, Clone)]
pub struct CauClientSettings {
    /// The regional CAU, `host:port`.
    pub cau: Option<String>,
    /// The leader's CAU, `host:port`; none: nobody is shown the certificate.
    pub leader: Option<String>,
    /// How the regional CAU is talked to.
    pub generation: Generation,
    /// The file whose first line is a join token.
    pub token_file: Option<PathBuf>,
    /// Where key, certificate and identifier are kept.
    pub pkidata: PathBuf,
}

/// Who vouches for CAUs at this moment. It may read files.
pub type Vouching = Arc<dyn Fn() -> Result<Anchors, CauError> + Send + Sync>;

/// Why a trigger is not obeyed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientError {
    /// No certificate, or the leader does not take it.
    #[error("err1: {0}")]
    Certificate(String),
    /// No public key.
    #[error("err2: {0}")]
    PublicKey(String),
}

/// See the module.
pub struct CauClient {
    settings: CauClientSettings,
    vouching: Vouching,
    own: Arc<dyn RegionalCau>,
    clock: Arc<dyn Clock>,
    /// Two triggers at once would make two keys.
    turn: Mutex<()>,
}

impl CauClient {
    /// Nothing is read or connected yet. `own` is what this agent has certified itself.
    #[must_use]
    pub fn new(
        settings: CauClientSettings,
        vouching: Vouching,
        own: Arc<dyn RegionalCau>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { settings, vouching, own, clock, turn: Mutex::default() }
    }

    /// Gets a certificate, unless there is one with more than a third of its life left, and shows it to the leader's CAU.
    /// When this returns, both have been done.
    ///
    /// # Errors
    /// [`ClientError::Certificate`].
    pub async fn authenticate(
        &self,
        device: String,
        leader: String,
        id_key: Option<String>,
        mac: Option<String>,
    ) -> Result<(), ClientError> {
        let flow = async {
            let _turn = self.turn.lock().await;
            let (key, kept) = self.kept(&device).await?;
            let anchors = self.anchors().await?;
            let certificate = match kept {
                Some(kept) => kept,
                None => {
                    let csr = key.request(common_name(&device)).map_err(|error| error.to_string())?;
                    let token = self.token().await?;
                    let request = CertRequest { csr, device, leader: Some(leader), id_key, mac, token };
                    self.enrol(&key, &anchors, request).await?
                }
            };
            match &self.settings.leader {
                Some(address) => show(address, &anchors, &key, &certificate).await,
                None => Ok(()),
            }
        };
        let done = timeout(TOTAL, flow).await;
        done.unwrap_or_else(|_| Err(format!("it took longer than {} seconds", TOTAL.as_secs())))
            .map_err(ClientError::Certificate)
    }

    /// The public key of a device: one that this agent has certified, or what the regional CAU says.
    ///
    /// # Errors
    /// [`ClientError::PublicKey`].
    pub async fn public_key(&self, device: &str) -> Result<String, ClientError> {
        if let Ok(own) = self.own.public_key(device.to_owned()).await {
            return Ok(own);
        }
        let flow = async {
            let address = self.settings.cau.as_deref();
            let address = address.ok_or("this agent has not certified it, and legacy.cau_url is not set")?;
            let client = http(&client_config(&self.anchors().await?, None).map_err(|error| error.to_string())?)?;
            let url = format!("https://{address}/cau/publickey?deviceid={device}");
            let text = ask(client.get(url), address).await?;
            if text.contains("-----BEGIN ") { Ok(text) } else { Err(format!("{address} answered {}", brief(&text))) }
        };
        let done = timeout(TOTAL, flow).await;
        done.unwrap_or_else(|_| Err(format!("it took longer than {} seconds", TOTAL.as_secs())))
            .map_err(ClientError::PublicKey)
    }

    async fn kept(&self, device: &str) -> Result<(Arc<DeviceKey>, Option<DeviceCertificate>), String> {
        let (data, device, now) = (PkiData(self.settings.pkidata.clone()), device.to_owned(), self.clock.now());
        off_thread(move || {
            let key = data.key()?;
            let kept = data.certificate(&device, &key, now);
            Ok((Arc::new(key), kept))
        })
        .await
    }

    async fn anchors(&self) -> Result<Anchors, String> {
        let vouching = Arc::clone(&self.vouching);
        off_thread(move || vouching().map_err(|error| error.to_string())).await
    }

    async fn token(&self) -> Result<Option<JoinToken>, String> {
        let Some(path) = self.settings.token_file.clone() else { return Ok(None) };
        let text = off_thread(move || {
            let shown = path.display();
            std::fs::read_to_string(&path).map_err(|error| format!("{shown} (legacy.cau_token_file): {error}"))
        })
        .await?;
        let line = text.lines().next().unwrap_or_default();
        JoinToken::from_str(line).map(Some).map_err(|error| format!("legacy.cau_token_file: {error}"))
    }

    /// Has the key certified, and keeps what comes.
    async fn enrol(
        &self,
        key: &DeviceKey,
        anchors: &Anchors,
        request: CertRequest,
    ) -> Result<DeviceCertificate, String> {
        let address = self.settings.cau.as_deref().ok_or("legacy.cau_url (CAU_URL) is not set")?;
        let tls = client_config(anchors, None).map_err(|error| error.to_string())?;
        let device = request.device.clone();
        let text = match self.settings.generation {
            Generation::First => ask_bare(address, &tls, &request).await?,
            Generation::Second => ask_http(address, &tls, request).await?,
        };
        if !text.contains("-----BEGIN CERTIFICATE-----") {
            return Err(format!("{address} answered {}", brief(&text)));
        }
        let certificate = DeviceCertificate::from_pem(&text).map_err(|error| format!("{address}: {error}"))?;
        if !certificate.is_for(key) {
            return Err(format!("{address} has certified another key"));
        }
        if !certificate.holds(self.clock.now()) {
            return Err(format!("{address} gave a certificate that does not hold now: compare the clocks"));
        }
        let authority = match anchors.issuer_of(&certificate) {
            Some(known) => Some(known),
            None => self.authority(address, &tls, &certificate).await,
        };
        let (data, kept) = (PkiData(self.settings.pkidata.clone()), device.clone());
        off_thread(move || data.keep(&kept, &text, authority.as_deref())).await?;
        info!(device, cau = address, "cau-client has a certificate");
        Ok(certificate)
    }

    /// Who signed it, if the CAU is one of ours and says.
    async fn authority(&self, address: &str, tls: &ClientConfig, certificate: &DeviceCertificate) -> Option<String> {
        let text = ask(http(tls).ok()?.get(format!("https://{address}/cau/ca")), address).await.ok()?;
        authority_in(&text, certificate)
    }
}

/// Runs what waits for the disk or takes the processor where nobody else waits for it.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err("the agent is stopping".to_owned()))
}

fn http(tls: &ClientConfig) -> Result<Client, String> {
    Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .https_only(true)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(STEP)
        .build()
        .map_err(|error| error.to_string())
}

async fn ask_http(address: &str, tls: &ClientConfig, mut request: CertRequest) -> Result<String, String> {
    let token = request.token.take();
    let mut asked = http(tls)?.post(format!("https://{address}/cau/cert")).header(CONTENT_TYPE, "text/plain");
    if let Some(token) = token {
        asked = asked.header(TOKEN, token.to_string());
    }
    ask(asked.body(request.text(Iteration::Second)), address).await
}

/// The text of an answer that says that all is well.
async fn ask(request: RequestBuilder, address: &str) -> Result<String, String> {
    let mut answer = request.send().await.map_err(|error| format!("{address}: {}", deepest(&error)))?;
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| format!("{address}: {}", deepest(&error)))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LARGEST_ANSWER {
            return Err(format!("{address} answered more than {LARGEST_ANSWER} bytes"));
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = answer.status();
    if status.is_success() { Ok(text) } else { Err(format!("{address} answered {} {}", status.as_u16(), brief(&text))) }
}

async fn ask_bare(address: &str, tls: &ClientConfig, request: &CertRequest) -> Result<String, String> {
    let exchange = async {
        let mut stream = dial(address, tls.clone()).await?;
        // The line end tells a CAU of ours that this is all; one of the original looks at what is before the first comma.
        stream.write_all(format!("{}\n", request.text(Iteration::First)).as_bytes()).await?;
        stream.flush().await?;
        let mut answer = Vec::new();
        match (&mut stream).take(LARGEST_ANSWER as u64).read_to_end(&mut answer).await {
            // The original ends connections without a word.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    explained(address, timeout(STEP, exchange).await)
}

/// Shows the certificate. In TLS 1.3 a client has finished before the server has looked at it, so the end of what the
/// server sends is waited for: whoever does not like the certificate says so there.
async fn show(address: &str, anchors: &Anchors, key: &DeviceKey, own: &DeviceCertificate) -> Result<(), String> {
    let tls = client_config(anchors, Some((key, own))).map_err(|error| error.to_string())?;
    let handshake = async {
        let mut stream = dial(address, tls).await?;
        stream.write_all(FAREWELL).await?;
        stream.flush().await?;
        let is_13 = stream.get_ref().1.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
        let mut answer = [0; 64];
        let ended = stream.read(&mut answer).await;
        match ended {
            Err(error) if is_13 => return Err(error),
            _ => {}
        }
        let _ = stream.shutdown().await;
        Ok(())
    };
    explained(address, timeout(STEP, handshake).await).map_err(|reason| format!("the leader's CAU {reason}"))?;
    info!(leader = address, "cau-client has shown its certificate to the leader's CAU");
    Ok(())
}

async fn dial(address: &str, tls: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host.trim_matches(['[', ']']));
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    TlsConnector::from(Arc::new(tls)).connect(name, tcp).await
}

fn explained<T>(address: &str, outcome: Result<io::Result<T>, tokio::time::error::Elapsed>) -> Result<T, String> {
    match outcome {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(format!("{address}: {error}")),
        Err(_) => Err(format!("{address}: no answer within {} seconds", STEP.as_secs())),
    }
}

/// What an error of the library means: its innermost cause.
fn deepest(error: &reqwest::Error) -> String {
    let mut deepest: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    if error.is_timeout() { format!("no answer within {} seconds", STEP.as_secs()) } else { deepest.to_string() }
}

/// The beginning of a text on one line.
fn brief(text: &str) -> String {
    let line: String = text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("`{}`", line.trim())
}
