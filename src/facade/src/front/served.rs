//! Tests of the whole front: real sockets, real TLS, a small application, clients that do it right and wrong.

use std::{
    net::SocketAddr,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_server::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, http::StatusCode, web};
use mf2c_domain::time::Timestamp;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

use super::{Listener, Peer, Settings, TlsSettings, refusal, serve};

/// Nothing here takes longer, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(20);

async fn echo(request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let peer = request.conn_data::<Peer>().unwrap();
    HttpResponse::Ok().json(json!({
        "query": request.query_string(), "body": String::from_utf8_lossy(&body), "secure": peer.secure,
        "url": request.full_url().as_str(), "known": peer.address == request.peer_addr().unwrap(),
    }))
}

async fn refused(token: web::Path<(String, String)>) -> HttpResponse {
    let (status, message) = refusal::describe(&token.1);
    HttpResponse::build(StatusCode::from_u16(status).unwrap()).json(json!({"status": status, "message": message}))
}

async fn wait(gates: web::Data<Gates>) -> &'static str {
    gates.entered.add_permits(1);
    gates.leave.acquire().await.unwrap().forget();
    "done"
}

struct Gates {
    entered: Semaphore,
    leave: Semaphore,
}

struct Served {
    plain: SocketAddr,
    tls: SocketAddr,
    gates: Arc<Gates>,
    handle: ServerHandle,
    trust: rustls::RootCertStore,
    shown: Arc<Mutex<Arc<rustls::ServerConfig>>>,
}

/// Starts the application over HTTP and HTTPS, on ports of the system's choice.
fn start(settings: &Settings) -> Served {
    let data = tempfile::tempdir().unwrap();
    let now = Timestamp::parse("2026-01-02T03:04:05Z").unwrap();
    let (identity, _) = mf2c_pki::load_or_create(data.path(), &[], now).unwrap();
    let mut trust = rustls::RootCertStore::empty();
    trust.add(identity.chain()[0].clone()).unwrap();
    let bind = |tls| Listener { socket: std::net::TcpListener::bind("127.0.0.1:0").unwrap(), tls, users: None };
    let first = Arc::new(mf2c_pki::server_config(&identity).unwrap());
    let shown = Arc::new(Mutex::new(first));
    let looked_up = Arc::clone(&shown);
    let tls: TlsSettings = Arc::new(move || Arc::clone(&looked_up.lock().unwrap()));
    let listeners = vec![bind(None), bind(Some(tls))];
    let [plain, tls] = [0, 1].map(|n: usize| listeners[n].socket.local_addr().unwrap());
    let gates = Arc::new(Gates { entered: Semaphore::new(0), leave: Semaphore::new(0) });
    let shared = web::Data::from(Arc::clone(&gates));
    let server = serve(listeners, settings, move || {
        App::new()
            .app_data(shared.clone())
            .route("/echo", web::to(echo))
            .route("/wait", web::to(wait))
            .route("/.refused/{status}/{token}", web::to(refused))
    });
    let server = server.unwrap();
    let handle = server.handle();
    actix_rt::spawn(server);
    Served { plain, tls, gates, handle, trust, shown }
}

/// A client that writes what it is told and reads answers.
struct Client<S> {
    stream: S,
    read: Vec<u8>,
}

impl Client<TcpStream> {
    async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads more; false at the end of the connection.
    async fn more(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await.expect("no answer in time");
        read.is_ok_and(|length| length > 0)
    }

    /// The next answer: status and body.
    async fn answer(&mut self) -> (u16, String) {
        loop {
            let text = String::from_utf8_lossy(&self.read).into_owned();
            if let Some((head, rest)) = text.split_once("\r\n\r\n") {
                let field =
                    |name: &str| head.lines().find_map(|line| line.to_lowercase().strip_prefix(name)?.parse().ok());
                let length: usize = field("content-length: ").unwrap_or(0);
                if rest.len() >= length {
                    let body = rest[..length].to_owned();
                    self.read.drain(..head.len() + 4 + length);
                    return (head[9..12].parse().unwrap(), body);
                }
            }
            assert!(self.more().await, "connection ended within an answer: {text}");
        }
    }

    async fn json(&mut self) -> (u16, Value) {
        let (status, body) = self.answer().await;
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn is_closed(&mut self) -> bool {
        !self.more().await
    }
}

/// A client that speaks TLS and one of the protocols.
async fn over_tls(served: &Served, protocol: &[u8]) -> Client<tokio_rustls::client::TlsStream<TcpStream>> {
    let versions =
        rustls::ClientConfig::builder_with_provider(mf2c_pki::provider()).with_safe_default_protocol_versions();
    let mut config = versions.unwrap().with_root_certificates(served.trust.clone()).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let tcp = TcpStream::connect(served.tls).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
    Client { stream, read: Vec::new() }
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: fog\r\n\r\n")
}

/// Sends what should be refused over HTTP and HTTPS; gives the status in both, having looked at the document.
async fn refused_with(text: &str) -> u16 {
    let served = start(&Settings::default());
    let (mut plain, mut tls) = (Client::connect(served.plain).await, over_tls(&served, b"http/1.1").await);
    tokio::join!(plain.send(text), tls.send(text));
    let (status, document) = plain.json().await;
    assert_eq!((status, document.clone()), tls.json().await);
    assert_eq!(document["status"], status);
    assert!(document["message"].as_str().is_some_and(|message| message.contains("expected") || message.contains(": ")));
    assert!(plain.is_closed().await && tls.is_closed().await);
    status
}

#[actix_rt::test]
async fn curl_sends_raw_quotes_and_angle_brackets_twice_on_one_connection() {
    let served = start(&Settings::default());
    for origin in [format!("http://{}", served.plain), format!("https://{}", served.tls)] {
        let url = format!("{origin}/echo?$filter=a=\"x\"&b<=5");
        let curl =
            move || Command::new("curl").args(["-s", "-k", "-g", "-w", "#%{num_connects}\n", &url, &url]).output();
        let output = web::block(curl).await.unwrap().expect("curl is needed for this test");
        let text = String::from_utf8(output.stdout).unwrap();
        let connects: Vec<&str> =
            text.lines().filter_map(|line| line.rsplit_once('#')).map(|(_, count)| count).collect();
        assert_eq!(connects, ["1", "0"], "{text}");
        assert_eq!(text.matches("\"query\":\"$filter=a=%22x%22&b%3C=5\"").count(), 2, "{text}");
    }
}

#[actix_rt::test]
async fn handlers_know_the_peer_and_the_scheme() {
    let served = start(&Settings::default());
    let mut plain = Client::connect(served.plain).await;
    plain.send(&get("/echo?<")).await;
    let (_, seen) = plain.json().await;
    assert_eq!(
        (&seen["secure"], &seen["known"], &seen["url"]),
        (&json!(false), &json!(true), &json!("http://fog/echo?%3C"))
    );
    let mut tls = over_tls(&served, b"http/1.1").await;
    tls.send(&get("/echo?<")).await;
    let (_, seen) = tls.json().await;
    assert_eq!(
        (&seen["secure"], &seen["known"], &seen["url"]),
        (&json!(true), &json!(true), &json!("https://fog/echo?%3C"))
    );
}

#[actix_rt::test]
async fn a_body_is_followed_by_a_mended_request_and_pipelined_requests_are_answered_in_order() {
    let served = start(&Settings::default());
    let mut client = over_tls(&served, b"http/1.1").await;
    let post = "POST /echo?\" HTTP/1.1\r\nHost: fog\r\nContent-Length: 12\r\n\r\nGET /\"<> HTT";
    client.send(&format!("{post}{}{}", get("/echo?1<2"), get("/echo?3"))).await;
    let (mut queries, mut bodies) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let (status, seen) = client.json().await;
        assert_eq!(status, 200);
        queries.push(seen["query"].clone());
        bodies.push(seen["body"].clone());
    }
    assert_eq!(queries, ["%22", "1%3C2", "3"]);
    assert_eq!(bodies, ["GET /\"<> HTT", "", ""]);
}

#[actix_rt::test]
async fn a_chunked_body_arrives_and_the_connection_ends() {
    let served = start(&Settings::default());
    let mut client = Client::connect(served.plain).await;
    client
        .send("POST /echo?> HTTP/1.1\r\nHost: fog\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        .await;
    let (status, seen) = client.json().await;
    assert_eq!((status, &seen["body"], &seen["query"]), (200, &json!("hello"), &json!("%3E")));
    assert!(client.is_closed().await);
}

#[actix_rt::test]
async fn what_cannot_be_read_is_answered_with_a_document() {
    assert_eq!(refused_with("\x01garbage\r\n\r\n").await, 400);
    assert_eq!(refused_with("GET / HTTP/1.1\r\n\r\n").await, 400);
}

#[actix_rt::test]
async fn too_much_of_a_head_is_answered_with_a_document() {
    assert_eq!(
        refused_with(&format!("GET / HTTP/1.1\r\nHost: fog\r\nX: {}\r\n\r\n", "a".repeat(100 * 1024))).await,
        431
    );
    assert_eq!(refused_with(&get(&format!("/{}", "a".repeat(20 * 1024)))).await, 414);
}

#[actix_rt::test]
async fn a_client_that_asks_for_a_refusal_gets_one() {
    let served = start(&Settings::default());
    let mut client = Client::connect(served.plain).await;
    client.send(&get("/.refused/200/anything")).await;
    assert_eq!(client.json().await.0, 400);
}

#[actix_rt::test]
async fn a_slow_head_is_given_up_also_when_it_is_not_the_first() {
    let served = start(&Settings { head_timeout: Duration::from_millis(100), ..Settings::default() });
    for before in [0, 1] {
        let mut client = Client::connect(served.plain).await;
        for _ in 0..before {
            client.send(&get("/echo")).await;
            assert_eq!(client.answer().await.0, 200);
        }
        client.send("GET /echo HTTP/1.1\r\nHo").await;
        assert_eq!(client.json().await.0, 408);
        assert!(client.is_closed().await);
    }
}

#[actix_rt::test]
async fn a_client_that_fails_to_shake_hands_disturbs_no_other() {
    let served = start(&Settings { handshakes: 1, handshake_timeout: Duration::from_secs(3), ..Settings::default() });
    let mut garbage = Client::connect(served.tls).await;
    garbage.send("GET / HTTP/1.1\r\n\r\n").await;
    let mut silent = Client::connect(served.tls).await;
    let mut client = over_tls(&served, b"http/1.1").await;
    client.send(&get("/echo")).await;
    assert_eq!(client.json().await.0, 200);
    while garbage.more().await {}
    assert!(silent.is_closed().await);
}

#[actix_rt::test]
async fn http2_is_not_offered_and_http_1_0_is_answered() {
    let served = start(&Settings::default());
    let url = format!("https://{}/echo", served.tls);
    let curl = move || {
        let both = Command::new("curl").args(["-s", "-k", "--http2", "-w", "#%{http_version}", &url]).output();
        let old = Command::new("curl").args(["-s", "-k", "--http1.0", "-w", "#%{http_code}", &url]).output();
        (both, old)
    };
    let (both, old) = web::block(curl).await.unwrap();
    let text = |output: std::io::Result<std::process::Output>| String::from_utf8(output.unwrap().stdout).unwrap();
    let (both, old) = (text(both), text(old));
    assert!(both.ends_with("#1.1"), "the bounds of heads hold for HTTP/1: {both}");
    assert!(old.ends_with("#200"), "{old}");
}

#[actix_rt::test]
async fn another_certificate_shows_at_the_next_handshake_and_open_connections_go_on() {
    let mut served = start(&Settings::default());
    let mut before = over_tls(&served, b"http/1.1").await;
    let data = tempfile::tempdir().unwrap();
    let now = Timestamp::parse("2026-01-02T03:04:05Z").unwrap();
    let (other, _) = mf2c_pki::load_or_create(data.path(), &[], now).unwrap();
    *served.shown.lock().unwrap() = Arc::new(mf2c_pki::server_config(&other).unwrap());
    served.trust = rustls::RootCertStore::empty();
    served.trust.add(other.chain()[0].clone()).unwrap();
    let mut after = over_tls(&served, b"http/1.1").await;
    for client in [&mut before, &mut after] {
        client.send(&get("/echo")).await;
        assert_eq!(client.json().await.0, 200);
    }
}

#[actix_rt::test]
async fn a_graceful_stop_ends_idle_connections_and_answers_what_is_in_flight() {
    let served = start(&Settings { stop_within: PATIENCE, ..Settings::default() });
    let (mut idle, mut busy) = (Client::connect(served.plain).await, over_tls(&served, b"http/1.1").await);
    idle.send(&get("/echo")).await;
    assert_eq!(idle.answer().await.0, 200);
    busy.send(&get("/wait")).await;
    timeout(PATIENCE, served.gates.entered.acquire()).await.unwrap().unwrap().forget();
    let stopped = served.handle.stop(true);
    assert!(idle.is_closed().await);
    served.gates.leave.add_permits(1);
    assert_eq!(busy.answer().await, (200, "done".to_owned()));
    timeout(PATIENCE, stopped).await.expect("the server did not stop");
    assert!(TcpStream::connect(served.plain).await.is_err());
}
