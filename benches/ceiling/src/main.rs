//! The ceiling: answers one document to every GET over HTTPS, without a store, a router, access control or a log.
//!
//! `ceiling FILE WORKERS` serves the bytes of FILE on a free loopback port and prints `ready https://127.0.0.1:PORT`.

use std::io::{Error, Write as _};
use std::sync::Arc;

use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use rcgen::CertifiedKey;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivatePkcs8KeyDer;

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(workers)) = (arguments.next(), arguments.next()) else {
        return Err(Error::other("usage: ceiling FILE WORKERS"));
    };
    let document = Bytes::from(std::fs::read(file)?);
    let workers = workers.parse().map_err(Error::other)?;
    actix_web::rt::System::new().block_on(serve(document, workers))
}

async fn serve(document: Bytes, workers: usize) -> Result<(), Error> {
    let app = move || {
        let document = document.clone();
        App::new().default_service(web::to(move || {
            let body = document.clone();
            async move { HttpResponse::Ok().content_type("application/json").body(body) }
        }))
    };
    let server = HttpServer::new(app).workers(workers).bind_rustls_0_23(("127.0.0.1", 0), tls()?)?;
    for address in server.addrs() {
        writeln!(std::io::stdout(), "ready https://{address}")?;
    }
    server.run().await
}

/// A certificate of its own for loopback, made at each start.
fn tls() -> Result<ServerConfig, Error> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).map_err(Error::other)?;
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![cert.into()], key.into()))
        .map_err(Error::other)
}
