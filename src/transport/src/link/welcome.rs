//! Those who have no certificate yet: the roots, one attempt to be admitted, and the end.

use std::net::SocketAddr;

use mf2c_fabric::wire::{Ask, Code, Decoder, Message, WireError};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::Refusal;
use super::accept::Refused;
use super::net::{Net, NoMessage, read_message, write_message};
use super::rights::may_ask_unknown;
use super::session::linger;

/// Answers a joiner, within half a minute in all.
pub(super) async fn serve(net: &Net, mut stream: TlsStream<TcpStream>, from: SocketAddr) -> Result<(), Refused> {
    let served = tokio::time::timeout(net.base.limits.join, answer(net, &mut stream, from)).await;
    let refused = match served {
        Ok(Ok(())) => None,
        Ok(Err(NoMessage::Gone(error))) => return Err(Refused::new(Refusal::Gone, error.to_string())),
        Ok(Err(NoMessage::Wrong(error))) => Some(error),
        Err(_) => Some(WireError::new(Code::BadFrame, "joining took too long: come back with everything at hand")),
    };
    let detail = refused.as_ref().map(ToString::to_string);
    let last = async {
        if let Some(error) = refused {
            write_message(&mut stream, &Message::Close(error), net.base.limits.max_frame, &net.base).await?;
        }
        linger(&mut stream).await
    };
    let _ = tokio::time::timeout(net.base.limits.linger, last).await;
    detail.map_or(Ok(()), |detail| Err(Refused::new(Refusal::Hello, detail)))
}

async fn answer(net: &Net, stream: &mut TlsStream<TcpStream>, from: SocketAddr) -> Result<(), NoMessage> {
    let mut decoder = Decoder::new(net.base.limits.max_join_frame);
    let mut shown = false;
    loop {
        let read = read_message(stream, &mut decoder, &net.base).await;
        let (re, deadline, ask) = match read {
            Ok(Message::Request { id, deadline, ask }) => (id, deadline, ask),
            Ok(_) => {
                let text = "expected a question for the bundle, then one to be admitted";
                return Err(NoMessage::Wrong(WireError::new(Code::BadFrame, text)));
            }
            // Who only wanted the roots, or did not like them, leaves.
            Err(NoMessage::Gone(_)) if shown => return Ok(()),
            Err(error) => return Err(error),
        };
        let last = ask != Ask::Bundle;
        if !last && std::mem::replace(&mut shown, true) {
            return Err(NoMessage::Wrong(WireError::new(Code::BadFrame, "the bundle is given once")));
        }
        let within = std::time::Duration::from_millis(deadline.into());
        let result = match may_ask_unknown(&ask) {
            Ok(()) => net.base.answer(ask, None, from.ip(), within).await,
            Err(refused) => Err(refused),
        };
        let reply = Message::Reply { re, result };
        write_message(stream, &reply, net.base.limits.max_frame, &net.base).await.map_err(NoMessage::Gone)?;
        if last {
            return Ok(());
        }
    }
}
