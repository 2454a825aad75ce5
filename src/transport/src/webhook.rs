//! The way to the receivers of webhooks: HTTP by POST, to addresses that were checked, and to no others.
//!
//! A URL comes from a user, and this agent stands where its user may not be able to reach: in a network of machines that
//! trust it. So every address is looked at after its name was resolved, and the connection goes to that address. Unless
//! the operator allows it, nothing goes to loopback, private or other special addresses; and plain HTTP goes nowhere else.

pub(crate) mod guard;

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mf2c_actors::ports::{WebhookRequest, WebhookTransport};
use mf2c_domain::webhook::attempt::Answer;
use mf2c_domain::webhook::target::{Reach, Refused};
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use guard::Guard;

/// The most redirections that are followed.
const REDIRECTIONS: usize = 3;
/// The most bytes of an answer that are read; nothing in it matters, but a connection can be used again only behind it.
const MAX_ANSWER: usize = 64 << 10;
/// How long a connection waits for the next delivery.
const IDLE: Duration = Duration::from_secs(30);

/// What the transport is told at start.
#[derive(Debug, Clone)]
pub struct WebhookOptions {
    /// Whether targets may have addresses that are not on the public Internet.
    pub allow_private: bool,
    /// How long one attempt may take, redirections and all.
    pub timeout: Duration,
    /// A PEM file of certificates to trust besides the system's.
    pub ca: Option<PathBuf>,
    /// What the agent calls itself.
    pub agent: String,
}

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The file of certificates cannot be used.
    #[error("`{path}` holds no certificate to trust ({reason}), expected PEM blocks `CERTIFICATE`: mend `webhooks.ca`")]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The TLS library refused.
    #[error("failed to prepare TLS for webhooks")]
    Tls(#[source] rustls::Error),
    /// The HTTP library refused.
    #[error("failed to prepare HTTP for webhooks")]
    Http(#[source] reqwest::Error),
}

/// Sends deliveries over the real network.
///
/// What that needs is made for the first delivery: the certificates of all authorities of the world take megabytes, and
/// many an agent never tells anybody anything.
#[derive(Clone)]
pub struct HttpWebhooks {
    options: WebhookOptions,
    lanes: Arc<OnceLock<Lanes>>,
}

/// The ways out.
#[derive(Clone)]
struct Lanes {
    https: Lane,
    http: Lane,
}

/// A client with the guard that stands before it.
#[derive(Clone)]
struct Lane {
    guard: Guard,
    client: Client,
}

impl HttpWebhooks {
    /// A transport that trusts the system's certificate authorities and those of `options.ca`.
    ///
    /// # Errors
    /// [`TransportError`] if the file cannot be used.
    pub fn new(options: &WebhookOptions) -> Result<Self, TransportError> {
        if let Some(path) = &options.ca {
            trust(path, &mut RootCertStore::empty())?;
        }
        Ok(Self { options: options.clone(), lanes: Arc::default() })
    }

    /// The ways out, made at the first call. It reads files.
    fn lanes(&self) -> Result<Lanes, TransportError> {
        if let Some(lanes) = self.lanes.get() {
            return Ok(lanes.clone());
        }
        let lanes = Lanes::new(&self.options)?;
        Ok(self.lanes.get_or_init(|| lanes).clone())
    }

    async fn send(self, request: WebhookRequest) -> Answer {
        let lanes = match self.lanes.get() {
            Some(lanes) => Some(Ok(lanes.clone())),
            None => tokio::task::spawn_blocking(move || self.lanes()).await.ok(),
        };
        let attempted = match lanes {
            Some(Ok(lanes)) => lanes.attempt(request).await,
            Some(Err(error)) => return failed(error.to_string()),
            None => return failed("the agent is stopping".to_owned()),
        };
        match attempted {
            Err(answer) => answer,
            Ok(response) => {
                let (code, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
                read_to_end(response).await;
                Answer::Status { code, retry_after }
            }
        }
    }
}

impl Lanes {
    fn new(options: &WebhookOptions) -> Result<Self, TransportError> {
        let tls = tls(options.ca.as_deref())?;
        let lane = |guard: Guard| {
            let client = Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .dns_resolver(guard)
                .redirect(redirect::Policy::none())
                .no_proxy()
                .user_agent(&options.agent)
                .connect_timeout(options.timeout)
                .pool_max_idle_per_host(1)
                .pool_idle_timeout(IDLE)
                .build();
            client.map(|client| Lane { guard, client }).map_err(TransportError::Http)
        };
        let private = options.allow_private;
        Ok(Self {
            https: lane(Guard(Reach { public: true, private }))?,
            http: lane(Guard(Reach { public: false, private }))?,
        })
    }

    async fn attempt(self, request: WebhookRequest) -> Result<Response, Answer> {
        let mut url = Url::parse(&request.url).map_err(|_| refused("its URL cannot be read".to_owned()))?;
        for _ in 0..=REDIRECTIONS {
            let response = self.hop(&url, &request).await?;
            let status = response.status();
            if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
                return Ok(response);
            }
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
            let next = url.join(to).ok().filter(|_| !to.is_empty());
            let code = status.as_u16();
            let Some(next) = next else { return Err(failed(format!("it answered {code} and does not say where to"))) };
            if !matches!(code, 307 | 308) {
                let reason = format!("it answered {code} and sends to {}; only 307 and 308 are followed", shown(&next));
                return Err(failed(reason));
            }
            self.lane(&next)
                .and_then(|lane| lane.guard.url(&next))
                .map_err(|why| refused(format!("it sends to {}, which is refused: {why}", shown(&next))))?;
            url = next;
        }
        Err(failed(format!("it sends elsewhere more than {REDIRECTIONS} times")))
    }

    /// One request, to an address that is allowed.
    async fn hop(&self, url: &Url, request: &WebhookRequest) -> Result<Response, Answer> {
        let lane = self.lane(url).map_err(|why| refused(why.to_string()))?;
        lane.guard.url(url).map_err(|why| refused(format!("{} is refused: {why}", shown(url))))?;
        let sent = lane
            .client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &request.id)
            .header("webhook-timestamp", request.timestamp)
            .header("webhook-signature", &request.signature)
            .body(request.body.clone())
            .send();
        sent.await.map_err(|error| explained(&error, url))
    }

    fn lane(&self, url: &Url) -> Result<&Lane, Refused> {
        match url.scheme() {
            "https" => Ok(&self.https),
            "http" => Ok(&self.http),
            _ => Err(Refused::Scheme),
        }
    }
}

impl WebhookTransport for HttpWebhooks {
    fn deliver(&self, request: WebhookRequest) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        let (transport, timeout) = (self.clone(), self.options.timeout);
        Box::pin(async move {
            let answer = tokio::time::timeout(timeout, transport.send(request)).await;
            answer.unwrap_or_else(|_| failed(format!("it did not answer within {timeout:?}")))
        })
    }
}

fn refused(reason: String) -> Answer {
    Answer::Refused { reason }
}

fn failed(reason: String) -> Answer {
    Answer::Failed { reason }
}

/// Where a URL leads, without its path and query, which may hold secrets of the receiver.
pub(crate) fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// How long the receiver asks to be left alone, where it says so in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

async fn read_to_end(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > MAX_ANSWER {
            return;
        }
    }
}

/// What an error of the library means for the owner of the webhook.
fn explained(error: &reqwest::Error, url: &Url) -> Answer {
    let mut deepest: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = deepest.source() {
        if let Some(why) = source.downcast_ref::<Refused>() {
            return refused(format!("{} is refused: {why}", shown(url)));
        }
        deepest = source;
    }
    let what = if error.is_connect() { "no connection" } else { "no answer" };
    if error.source().is_some() {
        return failed(format!("there is {what}: {deepest}"));
    }
    failed(format!("there is {what}"))
}

pub(crate) fn tls(ca: Option<&Path>) -> Result<ClientConfig, TransportError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca {
        trust(path, &mut roots)?;
    }
    if roots.is_empty() {
        tracing::warn!("the system has no certificate authorities: webhooks with https fail; set `webhooks.ca`");
    }
    let config = ClientConfig::builder_with_provider(mf2c_pki::provider())
        .with_safe_default_protocol_versions()
        .map_err(TransportError::Tls)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Adds the certificates of a PEM file.
fn trust(path: &Path, roots: &mut RootCertStore) -> Result<(), TransportError> {
    let unusable = |reason: String| TransportError::Ca { path: path.to_owned(), reason };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))?;
    let mut count = 0;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        count += 1;
    }
    if count == 0 {
        return Err(unusable("it is empty".to_owned()));
    }
    Ok(())
}
