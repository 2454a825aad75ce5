//! The way to services: whether they answer on this machine, and what they name by a URL.
//!
//! A URL comes from a user, so every address is looked at before it is connected to, as for webhooks. What agents say to each other's
//! containers goes to addresses that the agents themselves have told.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mf2c_actors::ports::{Fetcher, Prober};
use mf2c_domain::webhook::target::{Reach, Refused};
use reqwest::header::LOCATION;
use reqwest::{Client, Response, Url, redirect};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::webhook::guard::Guard;
use crate::webhook::{TransportError, shown, tls};

/// The most redirections that are followed.
const REDIRECTIONS: usize = 3;
/// How long a fetch may take.
const FETCH: Duration = Duration::from_secs(20);
/// How long a job may take to be taken.
const JOB: Duration = Duration::from_secs(10);
/// The most bytes of an answer to a job.
const MOST_ANSWER: usize = 64 << 10;
/// The most bytes of the head of an answer that are read: its first line is enough.
const FIRST_LINE: usize = 1024;

/// Asks services of this machine over TCP.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpProber;

impl Prober for TcpProber {
    fn tcp(&self, address: SocketAddr, within: Duration) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        Box::pin(async move { matches!(tokio::time::timeout(within, TcpStream::connect(address)).await, Ok(Ok(_))) })
    }

    fn http(&self, address: SocketAddr, path: &str, within: Duration) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: mf2c\r\nConnection: close\r\n\r\n");
        Box::pin(async move {
            let status = tokio::time::timeout(within, status(address, request)).await;
            matches!(status, Ok(Some(200..400)))
        })
    }
}

/// The status of an answer; none where there is no such thing.
async fn status(address: SocketAddr, request: String) -> Option<u16> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut head = Vec::new();
    while head.len() < FIRST_LINE && !head.contains(&b'\n') {
        let mut part = [0; 256];
        let read = stream.read(&mut part).await.ok()?;
        if read == 0 {
            break;
        }
        head.extend_from_slice(part.get(..read)?);
    }
    let line = head.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_whitespace();
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

/// Fetches over the real network.
#[derive(Clone)]
pub struct HttpFetcher {
    reach: Reach,
    /// Made when it is first needed: the certificates of all authorities of the world take megabytes.
    clients: Arc<OnceLock<(Client, Client)>>,
}

impl HttpFetcher {
    /// A fetcher that goes to addresses that are not on the public Internet only if `private` says so.
    #[must_use]
    pub fn new(private: bool) -> Self {
        Self { reach: Reach { public: true, private }, clients: Arc::default() }
    }

    /// The client with the guard before it, and the one without.
    fn clients(&self) -> Result<(Client, Client), TransportError> {
        if let Some(clients) = self.clients.get() {
            return Ok(clients.clone());
        }
        let base = || Client::builder().redirect(redirect::Policy::none()).no_proxy().connect_timeout(JOB);
        let guarded = base().tls_backend_preconfigured(tls(None)?).dns_resolver(Guard(self.reach));
        let guarded = guarded.build().map_err(TransportError::Http)?;
        let plain = base().tls_backend_preconfigured(tls(None)?).build().map_err(TransportError::Http)?;
        Ok(self.clients.get_or_init(|| (guarded, plain)).clone())
    }

    async fn ready(&self) -> Result<(Client, Client), String> {
        let maker = self.clone();
        let made = tokio::task::spawn_blocking(move || maker.clients()).await;
        made.map_err(|_| "the agent is stopping".to_owned())?.map_err(|error| error.to_string())
    }

    async fn get(self, url: String, most: usize) -> Result<String, String> {
        let mut url = Url::parse(&url).map_err(|error| format!("the URL cannot be read: {error}"))?;
        let (client, _) = self.ready().await?;
        for _ in 0..=REDIRECTIONS {
            if !matches!(url.scheme(), "http" | "https") {
                return Err(format!("{}: only http and https are fetched", shown(&url)));
            }
            Guard(self.reach).url(&url).map_err(|why| refused(&url, &why))?;
            let response = client.get(url.clone()).send().await.map_err(|error| explained(&error, &url))?;
            let status = response.status();
            if status.is_success() {
                return read(response, most).await;
            }
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let next = to.filter(|_| status.is_redirection()).and_then(|to| url.join(to).ok());
            url = next.ok_or_else(|| format!("{} answers {status}", shown(&url)))?;
        }
        Err(format!("it sends elsewhere more than {REDIRECTIONS} times"))
    }

    async fn put(self, url: String, body: String) -> Result<String, String> {
        let (_, client) = self.ready().await?;
        let url = Url::parse(&url).map_err(|error| format!("the URL cannot be read: {error}"))?;
        let sent = client.put(url.clone()).header("content-type", "application/xml").body(body).send().await;
        let response = sent.map_err(|error| explained(&error, &url))?;
        let status = response.status();
        let text = read(response, MOST_ANSWER).await?;
        if status.is_success() { Ok(text) } else { Err(format!("it answers {status}")) }
    }
}

impl Fetcher for HttpFetcher {
    fn fetch(&self, url: &str, most: usize) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> {
        let got = self.clone().get(url.to_owned(), most);
        Box::pin(async move { tokio::time::timeout(FETCH, got).await.unwrap_or_else(|_| Err(too_slow(FETCH))) })
    }

    fn put_xml(&self, url: &str, body: String) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> {
        let put = self.clone().put(url.to_owned(), body);
        Box::pin(async move { tokio::time::timeout(JOB, put).await.unwrap_or_else(|_| Err(too_slow(JOB))) })
    }
}

fn too_slow(after: Duration) -> String {
    format!("there is no answer after {} s", after.as_secs())
}

fn refused(url: &Url, why: &Refused) -> String {
    format!("{} is refused: {why}; the operator of this agent allows it with `services.fetch_private`", shown(url))
}

async fn read(mut response: Response, most: usize) -> Result<String, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| format!("its answer breaks off: {error}"))? {
        if body.len() + chunk.len() > most {
            return Err(format!("it is longer than {most} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).map_err(|_| "it is no text in UTF-8".to_owned())
}

/// What an error of the library means for who has named the URL.
fn explained(error: &reqwest::Error, url: &Url) -> String {
    let mut deepest: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = deepest.source() {
        if let Some(why) = source.downcast_ref::<Refused>() {
            return refused(url, why);
        }
        deepest = source;
    }
    format!("{} cannot be reached: {deepest}", shown(url))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn serve(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = [0; 1024];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        address
    }

    #[tokio::test]
    async fn a_service_is_well_if_it_answers_with_200_to_399() {
        let within = Duration::from_secs(5);
        for (answer, well) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.0 302 Found\r\nLocation: /x\r\n\r\n", true),
            ("HTTP/1.1 100 Continue\r\n\r\n", false),
            ("HTTP/1.1 199 Odd\r\n\r\n", false),
            ("HTTP/1.1 399 Odd\r\n\r\n", true),
            ("HTTP/1.1 400 Bad\r\n\r\n", false),
            ("HTTP/1.1 503 Busy\r\n\r\n", false),
            ("SSH-2.0-x\r\n", false),
            ("", false),
        ] {
            let address = serve(answer).await;
            assert_eq!(TcpProber.http(address, "/", within).await, well, "{answer:?}");
            assert!(TcpProber.tcp(address, within).await);
        }
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(!TcpProber.tcp(closed, within).await && !TcpProber.http(closed, "/", within).await);
    }

    #[tokio::test]
    async fn private_addresses_are_fetched_from_only_if_the_operator_allows_it() {
        let address = serve("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
        let url = format!("http://{address}/compose.yml");
        assert_eq!(HttpFetcher::new(true).fetch(&url, 10).await.as_deref(), Ok("hello"));
        let error = HttpFetcher::new(true).fetch(&url, 4).await.unwrap_err();
        assert!(error.contains("longer than 4 bytes"), "{error}");
        let error = HttpFetcher::new(false).fetch(&url, 10).await.unwrap_err();
        assert!(error.contains("refused") && error.contains("services.fetch_private"), "{error}");
        let error = HttpFetcher::new(false).fetch("file:///etc/passwd", 10).await.unwrap_err();
        assert!(error.contains("only http and https"), "{error}");
    }

    #[tokio::test]
    async fn a_redirection_to_a_private_address_is_refused_too() {
        let inner = serve("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret").await;
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: http://{inner}/\r\nContent-Length: 0\r\n\r\n");
        let outer = serve(answer.leak()).await;
        let found = HttpFetcher::new(true).fetch(&format!("http://{outer}/"), 100).await;
        assert_eq!(found.as_deref(), Ok("secret"));
    }
}
