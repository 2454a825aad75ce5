//! Listeners and workers: accepts connections, shakes hands, and runs an actix-web application on them.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_http::{HttpService, KeepAlive, Protocol, Request, Response, body::MessageBody};
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::dev::AppConfig;
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info};

use super::{
    boundary::Limits,
    certified::ReadCertificate,
    connections::Connections,
    stream::{ClientStream, Times, Transport},
};

/// What TLS connections are made with. It is asked at every handshake: another certificate shows at the next one, and
/// connections that are open go on.
pub type TlsSettings = Arc<dyn Fn() -> Arc<rustls::ServerConfig> + Send + Sync>;

/// A bound socket, and the TLS settings of its connections; plain HTTP where there are none.
pub struct Listener {
    /// Bound and listening; port 0 may have been asked for.
    pub socket: TcpListener,
    /// Configurations as `mf2c_pki` makes them.
    pub tls: Option<TlsSettings>,
    /// What reads the certificates of clients; none where they are no login.
    pub users: Option<ReadCertificate>,
}

/// Bounds and times of the server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Threads that serve connections, 1 to 512; values outside are moved to the nearest.
    pub workers: usize,
    /// Connections that one worker serves at a time; further ones wait in the socket's queue.
    pub connections_per_worker: usize,
    /// TLS handshakes going on at a time, over all workers; further ones wait.
    pub handshakes: usize,
    /// Time for a TLS handshake, with the wait for its turn.
    pub handshake_timeout: Duration,
    /// Time from the first byte of a request head to its last, and for the first request of a connection to begin.
    pub head_timeout: Duration,
    /// How long a client may take nothing of an answer that is there for it.
    pub stall: Duration,
    /// How long a connection may stay without a request.
    pub keep_alive: Duration,
    /// Time for a client to take the end of a connection.
    pub disconnect_timeout: Duration,
    /// On a graceful stop, how long requests in flight may take; counted in whole seconds, rounded up.
    pub stop_within: Duration,
    /// Sizes of request heads.
    pub limits: Limits,
    /// Counts the connections.
    pub connections: Connections,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: 2,
            connections_per_worker: 1024,
            handshakes: 256,
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            stall: Duration::from_secs(60),
            keep_alive: Duration::from_secs(75),
            disconnect_timeout: Duration::from_secs(5),
            stop_within: Duration::from_secs(30),
            limits: Limits::default(),
            connections: Connections::default(),
        }
    }
}

/// Starts serving `app` on all listeners. The future ends when the server has stopped; its `handle()` stops it.
///
/// No signal is listened to. On `handle().stop(true)` idle connections are closed and requests in flight are answered.
///
/// # Errors
/// Where a listener cannot be used.
pub fn serve<F, I, S, B>(listeners: Vec<Listener>, settings: &Settings, app: F) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request> + 'static,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Future: 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let stop_within = settings.stop_within.as_secs() + u64::from(settings.stop_within.subsec_nanos() > 0);
    let mut server = Server::build()
        .workers(settings.workers.clamp(1, 512))
        .max_concurrent_connections(settings.connections_per_worker.max(1))
        .shutdown_timeout(stop_within)
        .disable_signals();
    let handshakes = Arc::new(Semaphore::new(settings.handshakes.clamp(1, Semaphore::MAX_PERMITS)));
    for listener in listeners {
        server = listen(server, listener, settings, Arc::clone(&handshakes), app.clone())?;
    }
    Ok(server.run())
}

/// Adds one listener; every worker makes its own application.
fn listen<F, I, S, B>(
    server: ServerBuilder,
    listener: Listener,
    settings: &Settings,
    handshakes: Arc<Semaphore>,
    app: F,
) -> io::Result<ServerBuilder>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request> + 'static,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Future: 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let Listener { socket, tls, users } = listener;
    let address = socket.local_addr()?;
    let secure = tls.is_some();
    let stopping = server.graceful_shutdown_signal();
    let (settings, has_told) = (settings.clone(), Arc::default());
    let reception = Reception { address, tls, users, handshakes, settings, has_told };
    server.listen(format!("facade {address}"), socket, move || {
        let (stopping, reception) = (stopping.clone(), reception.clone());
        let settings = &reception.settings;
        let connections = settings.connections.clone();
        // actix-web makes its own configuration known under this name only; what it holds is what `HttpServer` gives.
        let config = AppConfig::__priv_test_new(secure, address.to_string(), address);
        let app = app().into_factory().map_err(|error| error.into().error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(KeepAlive::Timeout(settings.keep_alive))
            // The stream's own clock comes first: it can say why.
            .client_request_timeout(settings.head_timeout + Duration::from_secs(1))
            .client_disconnect_timeout(settings.disconnect_timeout)
            .local_addr(address)
            .on_connect_ext(move |stream: &ClientStream<Transport>, data| {
                data.insert(connections.accept());
                data.insert(stream.peer().clone());
            })
            .finish(map_config(app, move |()| config.clone()));
        fn_service(move |tcp: TcpStream| {
            let reception = reception.clone();
            async move { reception.receive(tcp).await }
        })
        .and_then(http.map_err(|error| debug!(%error, "connection ended early")).map_init_err(|_| ()))
    })
}

/// What is done with a connection before its first request.
#[derive(Clone)]
struct Reception {
    /// Where the listener is.
    address: SocketAddr,
    tls: Option<TlsSettings>,
    users: Option<ReadCertificate>,
    handshakes: Arc<Semaphore>,
    settings: Settings,
    /// Whether the operator knows of somebody who spoke plain HTTP here: once is enough, for strangers can do it at will.
    has_told: Arc<AtomicBool>,
}

impl Reception {
    /// Makes a connection ready for HTTP. Where that fails, the client is at fault or gone: it is logged and forgotten.
    async fn receive(self, tcp: TcpStream) -> Result<(ClientStream<Transport>, Protocol, Option<SocketAddr>), ()> {
        let peer = tcp.peer_addr().map_err(|error| debug!(%error, "client left at once"))?;
        tcp.set_nodelay(true).map_err(|error| debug!(%peer, %error, "client left at once"))?;
        let transport = match &self.tls {
            None => Transport::Plain(tcp),
            Some(tls) => {
                let shaken = timeout(self.settings.handshake_timeout, self.shake(tls, tcp)).await;
                let shaken = shaken.map_err(|_| debug!(%peer, "TLS handshake took too long"))?;
                Transport::Tls(Box::new(shaken.map_err(|error| debug!(%peer, %error, "TLS handshake failed"))?))
            }
        };
        let protocol = transport.protocol();
        let times = Times { head: self.settings.head_timeout, stall: self.settings.stall };
        let about = transport.peer(peer, self.users.as_ref());
        Ok((ClientStream::accepted(transport, about, self.settings.limits, times), protocol, Some(peer)))
    }

    async fn shake(&self, tls: &TlsSettings, tcp: TcpStream) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
        // A client that says nothing must not take the turn of one that does.
        tcp.readable().await?;
        // A record of TLS begins with a number, a request with the name of its method.
        let mut first = [0];
        if tcp.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
            if !self.has_told.swap(true, Ordering::Relaxed) {
                info!(peer = ?tcp.peer_addr().ok(), address = %self.address, "a client spoke plain HTTP at a TLS port");
            }
            return Err(io::Error::new(io::ErrorKind::InvalidData, "plain HTTP at a TLS port"));
        }
        let _turn = self.handshakes.acquire().await.map_err(io::Error::other)?;
        TlsAcceptor::from(tls()).accept(tcp).await
    }
}
