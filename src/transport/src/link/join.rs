//! Calling without a certificate: to join with a token, or to renew a certificate that has expired.
//!
//! Nothing that is worth something leaves before it is settled who answers: TLS takes down what is shown and believes
//! nothing, the roots are asked for, and the chain must end at the root that the token, or the old membership, names.

use std::sync::Arc;

use mf2c_actors::ports::{EnrolAsk, LinkError};
use mf2c_domain::area::spiffe::{SpiffeId, Subject};
use mf2c_domain::area::token::JoinToken;
use mf2c_fabric::wire::{Answer, Ask, AuthorityTrust, Bytes, Code, Decoder, Enrolled, Message, WireError};
use mf2c_pki::area::{Credentials, PeerIdentity, Recorder, Trust, join_client};
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::dial::{broken, connect, unreachable};
use super::net::{Net, NoMessage, read_message, write_message};

/// A connection to somebody who is not yet known.
struct Visit<'a> {
    net: &'a Net,
    address: String,
    stream: TlsStream<TcpStream>,
    decoder: Decoder,
    recorder: Arc<Recorder>,
    asked: u64,
}

impl<'a> Visit<'a> {
    async fn begin(net: &'a Net, address: String) -> Result<Self, LinkError> {
        let (config, recorder) = join_client().map_err(|error| unreachable(&address, error))?;
        let stream = connect(net, &address, config).await?;
        let decoder = Decoder::new(net.base.limits.max_frame);
        Ok(Self { net, address, stream, decoder, recorder, asked: 0 })
    }

    fn untrusted(&self, reason: impl ToString) -> LinkError {
        LinkError::Untrusted { address: self.address.clone(), reason: reason.to_string() }
    }

    async fn ask(&mut self, ask: Ask) -> Result<Answer, LinkError> {
        self.asked += 1;
        let base = &self.net.base;
        let deadline = u32::try_from(base.limits.answer.as_millis()).unwrap_or(u32::MAX);
        let request = Message::Request { id: self.asked, deadline, ask };
        let sent = write_message(&mut self.stream, &request, base.limits.max_join_frame, base).await;
        match read_message(&mut self.stream, &mut self.decoder, base).await {
            Ok(Message::Reply { re, result }) if re == self.asked => result.map_err(LinkError::Refused),
            Ok(Message::Close(error)) | Err(NoMessage::Wrong(error)) => Err(LinkError::Refused(error)),
            Ok(_) => Err(LinkError::Refused(WireError::new(Code::BadFrame, "expected the answer to one question"))),
            Err(NoMessage::Gone(error)) => Err(broken(&self.address, sent.as_ref().err().unwrap_or(&error))),
        }
    }

    async fn bundle(&mut self) -> Result<AuthorityTrust, LinkError> {
        match self.ask(Ask::Bundle).await? {
            Answer::Trust(trust) => Ok(trust),
            _ => Err(self.untrusted("it answers something else than its roots")),
        }
    }

    async fn admitted(mut self, ask: Ask) -> Result<Enrolled, LinkError> {
        match self.ask(ask).await? {
            Answer::Enrolled(enrolled) => {
                let _ = self.stream.shutdown().await;
                Ok(enrolled)
            }
            _ => Err(self.untrusted("it answers something else than a certificate")),
        }
    }

    fn check(&self, trust: &Trust) -> Result<PeerIdentity, LinkError> {
        let strict = self.net.credentials().is_some_and(Credentials::strict);
        let chain: Vec<CertificateDer<'_>> = self.recorder.chain();
        let now = self.net.base.world.clock.now();
        trust.check(&chain, true, strict, now).map_err(|error| self.untrusted(error))
    }
}

fn raw(parts: Vec<Bytes>) -> Vec<Vec<u8>> {
    parts.into_iter().map(|part| part.0).collect()
}

/// Joins with a token (vector V6).
pub(super) async fn enrol(net: &Net, token: JoinToken, ask: EnrolAsk) -> Result<Enrolled, LinkError> {
    let address = token.address.clone();
    let joined = timeout(net.base.limits.join, async {
        let mut visit = Visit::begin(net, token.address.clone()).await?;
        let bundle = visit.bundle().await?;
        let named = |root: &Bytes| Sha256::digest(&root.0).as_slice() == token.root;
        let root = bundle.roots.into_iter().find(named).ok_or_else(|| {
            visit.untrusted("it has other roots than the token names: make a new token there, and type it whole")
        })?;
        let now = net.base.world.clock.now();
        // Of all that was sent, that one root is believed; what else is used is signed below it.
        let trust = Trust::new(0, vec![root.0], raw(bundle.intermediates), raw(bundle.lists), now);
        let (trust, _) = trust.map_err(|error| visit.untrusted(error))?;
        let peer = visit.check(&trust)?;
        if !matches!(peer.id.subject, Subject::Agent { .. }) || peer.unit != "leader" {
            return Err(visit.untrusted(format!("it is {}, which does not lead an area", peer.id)));
        }
        if !token.is_for(&peer.id) {
            return Err(visit.untrusted(format!("it is {}, and another leader has made the token", peer.id)));
        }
        let EnrolAsk { request, role, device, area, names } = ask;
        let secret = token.secret.bytes().to_vec().into();
        let request = request.into();
        visit.admitted(Ask::Enrol { token: token.id, secret, request, role, device, area, names }).await
    });
    joined.await.unwrap_or_else(|_| Err(unreachable(&address, "joining took too long")))
}

/// Renews a certificate that has expired: at the leader that is known, or at who leads the area now where it was looked for.
pub(super) async fn renew_expired(
    net: &Net,
    address: String,
    trust: &Trust,
    leader: &SpiffeId,
    ask: Ask,
) -> Result<Enrolled, LinkError> {
    let others = net.hints.of_leader(leader).into_iter().filter(|place| *place != address);
    let mut renewed = renew_expired_at(net, address.clone(), trust, leader, ask.clone()).await;
    for place in others.collect::<Vec<_>>() {
        if !matches!(renewed, Err(LinkError::Unreachable { .. } | LinkError::Untrusted { .. })) {
            break;
        }
        match renew_expired_at(net, place, trust, leader, ask.clone()).await {
            // What went wrong at the place that is known says more than what did where it may be.
            Err(LinkError::Unreachable { .. } | LinkError::Untrusted { .. }) => {}
            other => renewed = other,
        }
    }
    renewed
}

/// Whether a peer that is believed is the leader that is known, or leads that one's area by its certificate.
fn is_leader(peer: &PeerIdentity, known: &SpiffeId) -> bool {
    let same_area = || peer.id.trust_domain == known.trust_domain && peer.id.area() == known.area();
    let leads = || matches!(peer.id.subject, Subject::Agent { .. }) && peer.unit == "leader" && same_area();
    peer.id == *known || leads()
}

async fn renew_expired_at(
    net: &Net,
    address: String,
    trust: &Trust,
    leader: &SpiffeId,
    ask: Ask,
) -> Result<Enrolled, LinkError> {
    let place = address.clone();
    let renewed = timeout(net.base.limits.join, async {
        let mut visit = Visit::begin(net, address).await?;
        let bundle = visit.bundle().await?;
        let mut trust = trust.clone();
        let now = net.base.world.clock.now();
        for list in bundle.lists {
            // They are signed by authorities that are known, or not taken.
            let _ = trust.take_list(&list.0, now);
        }
        let peer = visit.check(&trust)?;
        if !is_leader(&peer, leader) {
            return Err(visit.untrusted(format!("it is {}, expected {leader} or who leads its area now", peer.id)));
        }
        visit.admitted(ask).await
    });
    renewed.await.unwrap_or_else(|_| Err(unreachable(&place, "renewing took too long")))
}
