//! [`LinkNet`] as the actors of the area use it.

use std::sync::Arc;
use std::time::Duration;

use mf2c_actors::ports::{AreaNet, Introduction, LinkAnswer, SendError};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::AreaPeer;
use mf2c_fabric::wire::{Answer, Ask, Code, Notice, WireError, encode_notice};
use tracing::debug;

use super::{LinkNet, kept, visit};

impl AreaNet for LinkNet {
    fn keep(&self, targets: Vec<AreaPeer>) {
        self.0.kept.keep(&self.0, targets);
    }

    fn introduce(&self, introduction: Introduction) {
        *self.0.introduction.lock() = Some(introduction);
    }

    fn send(&self, link: u64, notice: &Notice) -> Result<(), SendError> {
        let link = self.0.links.get(link).ok_or(SendError::Gone)?;
        if link.has_ended() {
            return Err(SendError::Gone);
        }
        if link.is_full(self.0.base.limits.queue_bytes) {
            return Err(SendError::Full);
        }
        let most = link.peer.agreement.max_frame;
        let frame = encode_notice(notice, most).map_err(|error| {
            debug!(peer = %link.peer.identity.id, %error, "a notice is not sent");
            // It was not counted any further than the frame allows.
            SendError::TooLarge(if error.code == Code::TooLarge { most as usize + 1 } else { 0 })
        })?;
        link.queue(frame.into())
    }

    fn ask_over(&self, link: u64, ask: Ask, within: Duration) -> LinkAnswer<Answer> {
        let net = Arc::clone(&self.0);
        self.on_runtime(async move { kept::ask_number(&net, link, ask, within).await })
    }

    fn close(&self, link: u64, why: WireError) {
        if let Some(link) = self.0.links.get(link) {
            link.close(why);
        }
    }

    fn hint(&self, id: &SpiffeId, address: String) {
        if self.0.hints.add(id, address) {
            self.0.kept.hinted(id);
        }
    }

    fn visit(&self, address: String, term: u64) -> LinkAnswer<()> {
        let net = Arc::clone(&self.0);
        self.on_runtime(async move { visit::visit(&net, &address, term).await })
    }
}
