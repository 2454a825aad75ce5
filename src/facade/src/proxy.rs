//! What is believed of a request that came by a proxy: only what a trusted one says.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::HttpRequest;

use crate::front::Peer;

/// The longest list of forwarding proxies that is read.
const MAX_HOPS: usize = 32;

/// Whether the request comes from a trusted proxy.
pub(crate) fn is_trusted(request: &HttpRequest, proxies: &[IpAddr]) -> bool {
    request.conn_data::<Peer>().is_some_and(|peer| proxies.contains(&peer.address.ip().to_canonical()))
}

/// Whether the client speaks HTTPS, with us or with a trusted proxy.
pub(crate) fn is_secure(request: &HttpRequest, proxies: &[IpAddr]) -> bool {
    let forwarded = request.headers().get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    match forwarded.filter(|_| is_trusted(request, proxies)) {
        Some("https") => true,
        Some("http") => false,
        _ => request.conn_data::<Peer>().is_some_and(|peer| peer.secure),
    }
}

/// The address of the client: the last in `X-Forwarded-For` that no trusted proxy has, or the other end of the connection.
pub(crate) fn client(request: &HttpRequest, proxies: &[IpAddr]) -> IpAddr {
    let peer = request.conn_data::<Peer>().map(|peer| peer.address.ip().to_canonical());
    let mut client = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let headers: Vec<&str> =
        request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok()).collect();
    let hops = headers.iter().rev().flat_map(|list| list.rsplit(','));
    for hop in hops.take(MAX_HOPS) {
        if !proxies.contains(&client) {
            break;
        }
        // What cannot be read was not written by a proxy of ours.
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
    }
    client
}
