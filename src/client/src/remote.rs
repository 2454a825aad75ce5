//! The agent at the other end: one HTTP client for one address, with bounds on time and size, and no trust by accident.

use std::net::IpAddr;
use std::time::Duration;

use mf2c_pki::{Fingerprint, Memory, ServerIdentity, Shown, Trust, client_config};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Method, NoProxy, Proxy, RequestBuilder, Url};
use serde_json::Value;

use crate::output::clean;
use crate::{ClientError, Surroundings};

/// The largest answer; an agent sends at most 64 MiB.
const LARGEST: usize = 80 << 20;
/// What is said of a larger one.
const TOO_LARGE: &str = "the answer is larger than 80 MiB";
/// The longest time for making a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Who a request comes from, at an agent in development mode.
const DEVELOPMENT: HeaderName = HeaderName::from_static("slipstream-authn-info");
/// Lets an agent see that a request was sent before.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// What a path segment keeps as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'@');

/// Reads an agent's address: `https://host:port`. What follows the port in other programs' settings, `/api`, may be there.
pub(crate) fn address(text: &str) -> Result<Url, ClientError> {
    let shown = clean(text);
    let usage = |what: &str| {
        ClientError::Usage(format!("`{shown}` {what}, expected an address such as https://127.0.0.1:8443"))
    };
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let mut url = Url::parse(&with_scheme).map_err(|_| usage("is no URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ClientError::Usage("the address holds a user: sign in with `mf2c login --user NAME`".to_owned()));
    }
    if url.host_str().is_none_or(str::is_empty) || !["http", "https"].contains(&url.scheme()) {
        return Err(usage("is no web address"));
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(usage("would send secrets unencrypted over the network"));
    }
    if !["", "/", "/api", "/api/"].contains(&url.path()) {
        return Err(usage("has a path"));
    }
    url.set_path("/");
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// An address as people write it.
pub(crate) fn shown(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// Whether an address is this machine's own.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The path of a resource or collection below `/api/`.
pub(crate) fn api_path(id: &str) -> String {
    path_below("api", id)
}

/// A path below one of an agent's doors.
pub(crate) fn path_below(door: &str, path: &str) -> String {
    let segments = path.split('/').map(|segment| utf8_percent_encode(segment, SEGMENT).to_string());
    format!("{door}/{}", segments.collect::<Vec<_>>().join("/"))
}

/// What an agent answered.
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The head.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// A connection to one agent.
pub(crate) struct Remote {
    client: reqwest::Client,
    base: Url,
    trust: Trust,
    memory: Memory,
    whole: Duration,
    cookie: Option<HeaderValue>,
    identity: Option<HeaderValue>,
    /// Whether a certificate is shown.
    certified: bool,
}

impl Remote {
    /// Prepares a connection; nothing is sent yet.
    pub(crate) fn new(
        base: Url,
        trust: Trust,
        own: Option<&ServerIdentity>,
        whole: Duration,
        around: &Surroundings,
    ) -> Result<Self, ClientError> {
        let memory = Memory::default();
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(client_config(&trust, &memory, own)?)
            .user_agent(concat!("mf2c/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(CONNECT.min(whole))
            .no_proxy();
        let proxy = around.variable("HTTPS_PROXY").or_else(|| around.variable("https_proxy"));
        if let Some(proxy) = proxy.filter(|_| !is_loopback(&base)) {
            let exempt = around.variable("NO_PROXY").or_else(|| around.variable("no_proxy")).unwrap_or_default();
            let proxy = Proxy::https(proxy).map_err(|_| ClientError::Usage("HTTPS_PROXY is no URL".to_owned()))?;
            builder = builder.proxy(proxy.no_proxy(NoProxy::from_string(exempt)));
        }
        let client = builder.build().map_err(|error| ClientError::Failed(format!("failed to set up HTTP: {error}")))?;
        Ok(Self { client, base, trust, memory, whole, cookie: None, identity: None, certified: own.is_some() })
    }

    /// Goes on with a session, by its cookie `name=value`.
    pub(crate) fn set_cookie(&mut self, cookie: &str) -> Result<(), ClientError> {
        let value = HeaderValue::from_str(cookie);
        let mut value =
            value.map_err(|_| ClientError::Failed("the session's cookie is damaged: sign in again".into()))?;
        value.set_sensitive(true);
        self.cookie = Some(value);
        Ok(())
    }

    /// Speaks as somebody to an agent in development mode.
    pub(crate) fn set_identity(&mut self, who: &str) -> Result<(), ClientError> {
        let value = HeaderValue::from_str(who);
        self.identity = Some(value.map_err(|_| ClientError::Usage("--as takes a name and roles".to_owned()))?);
        Ok(())
    }

    /// Whether requests say who they come from.
    pub(crate) fn is_somebody(&self) -> bool {
        self.cookie.is_some() || self.identity.is_some() || self.certified
    }

    /// Who requests come from by `--as`.
    pub(crate) fn identity(&self) -> Option<&str> {
        self.identity.as_ref()?.to_str().ok()
    }

    /// Whether the agent takes what `--as` says for an answer: it then shows what nobody at all may not see.
    pub(crate) async fn is_believed(&self) -> Result<bool, ClientError> {
        match self.get("agreement", &[("$last", "0")]).await {
            Err(ClientError::Refused { status: 401 | 403, .. }) => Ok(false),
            other => other.map(|_| true),
        }
    }

    /// The address as people write it.
    pub(crate) fn url(&self) -> String {
        shown(&self.base)
    }

    /// The certificate that the agent has shown.
    pub(crate) fn certificate(&self) -> Option<Shown> {
        self.memory.shown()
    }

    /// A request for a path below the agent's address, with query parameters.
    pub(crate) fn request(&self, method: Method, path: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.client.request(method, url).header(header::ACCEPT, "application/json");
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(identity) = &self.identity {
            request = request.header(DEVELOPMENT, identity);
        }
        request
    }

    /// Sends a request and reads the whole answer within the time allowed, whatever its status.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Answer, ClientError> {
        let answer = self.exchange(request).await.map_err(|error| self.unreachable(&error))?;
        answer.ok_or_else(|| self.no_agent(TOO_LARGE))
    }

    /// The whole answer; none if it is too large.
    async fn exchange(&self, request: RequestBuilder) -> Result<Option<Answer>, reqwest::Error> {
        let mut response = request.timeout(self.whole).send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > LARGEST {
                return Ok(None);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Some(Answer { status, headers, body }))
    }

    /// Adds a resource; see [`Self::post`].
    pub(crate) async fn add(&self, kind: &str, body: &Value, key: Option<&str>) -> Result<Value, ClientError> {
        let answer = self.post(&api_path(kind), body, key).await?;
        Ok(self.accepted(answer)?.0)
    }

    /// Sends a body to a path below the agent's address. With a key the agent does what it asks for once, however often it is
    /// sent: so where the connection breaks before the answer, it is sent once more.
    pub(crate) async fn post(&self, path: &str, body: &Value, key: Option<&str>) -> Result<Answer, ClientError> {
        let request = || {
            let request = self.request(Method::POST, path, &[]);
            let request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
            key.into_iter().fold(request, |request, key| request.header(IDEMPOTENCY_KEY, key))
        };
        match self.exchange(request()).await {
            Err(error) if key.is_some() && !error.is_connect() && !error.is_timeout() => self.send(request()).await,
            Err(error) => Err(self.unreachable(&error)),
            Ok(None) => Err(self.no_agent(TOO_LARGE)),
            Ok(Some(answer)) => Ok(answer),
        }
    }

    /// Waits for answers at least as long as this work takes on the other side.
    pub(crate) fn expect(&mut self, work: Duration) {
        self.whole = self.whole.max(work + CONNECT);
    }

    /// Sends a request whose answer has no end.
    pub(crate) async fn open(&self, request: RequestBuilder) -> Result<reqwest::Response, ClientError> {
        let opened = tokio::time::timeout(self.whole, request.send()).await;
        opened.map_err(|_| self.too_late())?.map_err(|error| self.unreachable(&error))
    }

    /// The JSON of an answer that is no refusal, with its head.
    pub(crate) async fn json(&self, request: RequestBuilder) -> Result<(Value, HeaderMap), ClientError> {
        let answer = self.send(request).await?;
        self.accepted(answer)
    }

    /// The JSON of an answer that is no refusal.
    pub(crate) fn accepted(&self, answer: Answer) -> Result<(Value, HeaderMap), ClientError> {
        if !(200..300).contains(&answer.status) {
            return Err(self.refused(answer.status, &answer.body));
        }
        let value = serde_json::from_slice(&answer.body).map_err(|_| self.no_agent("the answer is no JSON"))?;
        Ok((value, answer.headers))
    }

    /// Reads `api/<id>`.
    pub(crate) async fn get(&self, id: &str, query: &[(&str, &str)]) -> Result<Value, ClientError> {
        Ok(self.json(self.request(Method::GET, &api_path(id), query)).await?.0)
    }

    /// Sends a JSON body to `api/<id>`.
    pub(crate) async fn write(
        &self,
        method: Method,
        id: &str,
        body: &Value,
    ) -> Result<(Value, HeaderMap), ClientError> {
        let request = self.request(method, &api_path(id), &[]);
        self.json(request.header(header::CONTENT_TYPE, "application/json").body(body.to_string())).await
    }

    /// A refusal, from what a CIMI message document says of it.
    pub(crate) fn refused(&self, status: u16, body: &[u8]) -> ClientError {
        let document: Option<Value> = serde_json::from_slice(body).ok();
        let Some(message) = document.as_ref().and_then(|document| document.get("message")?.as_str()) else {
            return self.no_agent(&format!("status {status} without a message"));
        };
        let about = document.as_ref().and_then(|document| document.get("resource-id")?.as_str());
        let about = about.filter(|about| !message.contains(about)).map(|about| format!(" for {}", clean(about)));
        let hint = match status {
            401 | 403 if self.is_somebody() => ": you are signed in, but lack the right".to_owned(),
            401 | 403 => format!(": sign in with `mf2c login {}`", self.url()),
            405 => ": this cannot be done with that type of resource".to_owned(),
            429 | 503 if !message.contains("try again") => ": try again in a moment".to_owned(),
            _ => String::new(),
        };
        let message = clean(message);
        ClientError::Refused { status, message: format!("{message}{}", about.unwrap_or_default()), hint }
    }

    /// Whoever answers is no agent.
    pub(crate) fn no_agent(&self, reason: &str) -> ClientError {
        ClientError::NoAgent { url: self.url(), reason: reason.to_owned() }
    }

    fn too_late(&self) -> ClientError {
        let reason = format!("no answer within {} s; --timeout allows more", self.whole.as_secs());
        ClientError::Unreachable { url: self.url(), reason }
    }

    /// Why there was no answer.
    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        let url = self.url();
        if let Some(Shown { fingerprint, refused: Some(reason), .. }) = self.memory.shown() {
            return match self.trust {
                Trust::Pinned(expected) => ClientError::OtherCertificate { url, fingerprint, expected },
                _ => ClientError::Untrusted { url, fingerprint, reason: clean(&reason) },
            };
        }
        let cause = root_cause(error);
        if error.is_timeout() && error.is_connect() {
            let reason = "no connection in time; check the address and what is between".to_owned();
            return ClientError::Unreachable { url, reason };
        }
        if error.is_timeout() {
            return self.too_late();
        }
        if cause.contains("invalid HTTP") || cause.contains("InvalidContentType") || cause.contains("corrupt message") {
            return self.no_agent(&cause);
        }
        if self.certified && cause.contains("fatal alert") {
            let reason = format!(
                "it refuses the certificate of the profile ({cause}): make another one with `mf2c user cert`, or sign in \
                 with `mf2c login`"
            );
            return ClientError::Unreachable { url, reason };
        }
        if cause.contains("close_notify") {
            let reason = "it cut the connection; try again".to_owned();
            return ClientError::Unreachable { url, reason };
        }
        let advice = if error.is_connect() { "; is an agent running there?" } else { "; try again" };
        ClientError::Unreachable { url, reason: format!("{cause}{advice}") }
    }

    /// The fingerprint that is asked for, if one certificate alone is believed.
    pub(crate) fn pinned(&self) -> Option<Fingerprint> {
        match self.trust {
            Trust::Pinned(fingerprint) => Some(fingerprint),
            _ => None,
        }
    }
}

/// What the innermost of nested errors says; the outer ones only say that something went wrong.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    clean(&inner.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_short_and_is_never_plain_http_to_elsewhere() {
        let read = |text: &str| address(text).map(|url| shown(&url)).map_err(|error| error.to_string());
        assert_eq!(read("fog.example:8443"), Ok("https://fog.example:8443".to_owned()));
        assert_eq!(read("https://127.0.0.1:8443/api"), Ok("https://127.0.0.1:8443".to_owned()));
        assert_eq!(read("http://[::1]:8080/"), Ok("http://[::1]:8080".to_owned()));
        for (bad, told) in [
            ("http://fog.example", "unencrypted"),
            ("ftp://x", "is no web address"),
            ("https://jane:secret@x", "holds a user"),
            ("https://x/elsewhere", "has a path"),
            ("", "is no URL"),
        ] {
            let said = read(bad).unwrap_err();
            assert!(said.contains(told) && !said.contains("jane"), "{bad}: {said}");
        }
    }

    #[test]
    fn odd_characters_of_an_id_cannot_leave_its_path() {
        assert_eq!(api_path("user/jane?x#y z%"), "api/user/jane%3Fx%23y%20z%25");
        assert_eq!(api_path("user/idp/jane@example.org"), "api/user/idp/jane@example.org");
    }
}
