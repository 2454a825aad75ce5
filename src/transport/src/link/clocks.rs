//! The instants at which something must have happened on a link, with one timer for all of them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mf2c_fabric::wire::hello::Scope;
use tokio::time::{Instant, Sleep};

use super::LinkLimits;
use super::base::ahead;
use super::registry::Peer;

/// Notices are counted within so much time.
const COUNTED: Duration = Duration::from_secs(15);

/// See the module.
pub(super) struct Clocks {
    sleep: Pin<Box<Sleep>>,
    /// The last frame of the peer.
    pub(super) heard: Instant,
    /// When a sign of life is asked for.
    ping: Instant,
    /// From when on notices are counted anew.
    count: Instant,
    /// The frame that is being received must be complete.
    pub(super) frame: Option<Instant>,
    /// The frame that is being sent must be taken.
    pub(super) stall: Option<Instant>,
    /// The questions must be answered, for the link is to end.
    pub(super) finish: Option<Instant>,
    /// After so much silence the peer is asked for a sign of life.
    silence: Duration,
    /// After so much silence it is given up.
    dead: Duration,
}

/// What is due.
pub(super) enum Due {
    /// Nothing yet.
    Look,
    /// To ask for a sign of life.
    Ping,
    /// The end of the peer's certificate.
    Expired,
    /// The peer takes nothing.
    Stalled,
    /// The peer does not finish a frame.
    Dribbled,
    /// The end that was wanted.
    Finished,
    /// The peer has been silent for so long.
    Dead(Duration),
}

impl Clocks {
    /// Those of a link to `peer`, whose certificate ends in `left`.
    pub(super) fn new(limits: &LinkLimits, peer: &Peer, left: Duration) -> Self {
        let (silence, dead) = match peer.agreement.scope {
            Scope::Area => (limits.ping, limits.dead),
            Scope::Certification | Scope::Backup | Scope::Founding => (limits.far_ping, limits.far_dead),
        };
        // One of both asks, as long as it lives.
        let silence = if peer.accepted { (silence + silence / 4).min(dead) } else { silence };
        let sleep = Box::pin(tokio::time::sleep(silence.min(left)));
        let heard = ahead(Duration::ZERO);
        let (ping, count) = (heard + silence, heard + COUNTED);
        Self { sleep, heard, ping, count, frame: None, stall: None, finish: None, silence, dead }
    }

    /// The peer has given a sign of life.
    pub(super) fn hear(&mut self) {
        self.heard = ahead(Duration::ZERO);
        self.ping = self.heard + self.silence;
    }

    /// Whether notices are counted anew from now on.
    pub(super) fn count_anew(&mut self) -> bool {
        let anew = self.heard >= self.count;
        if anew {
            self.count = self.heard + COUNTED;
        }
        anew
    }

    /// Waits for the next thing that must happen; `left` is the time until the peer's certificate ends.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, left: Duration) -> Poll<Due> {
        let due = |clock: Option<Instant>, now: Instant| clock.is_some_and(|clock| clock <= now);
        let others = [self.frame, self.stall, self.finish].into_iter().flatten();
        let next = others.fold(self.ping, Instant::min);
        // The wall clock may be set, so the end of the certificate is looked at with every ping, and then again.
        let next = if left < self.silence { next.min(ahead(left)) } else { next };
        // A timer that is early costs one look more; setting it anew with every frame would cost more.
        if next < self.sleep.deadline() && !self.sleep.is_elapsed() {
            self.sleep.as_mut().reset(next);
        }
        ready!(self.sleep.as_mut().poll(cx));
        let now = ahead(Duration::ZERO);
        Poll::Ready(if left.is_zero() {
            Due::Expired
        } else if due(self.stall, now) {
            Due::Stalled
        } else if due(self.frame, now) {
            Due::Dribbled
        } else if due(self.finish, now) {
            Due::Finished
        } else if now >= self.heard + self.dead {
            Due::Dead(self.dead)
        } else {
            // Timers are as fine as a millisecond: without a step ahead this would never come to rest.
            let ahead = now + Duration::from_millis(1);
            let asks = now >= self.ping;
            if asks {
                self.ping = (now + self.silence).min((self.heard + self.dead).max(ahead));
            }
            self.sleep.as_mut().reset(if asks { self.ping } else { next.max(ahead) });
            if asks { Due::Ping } else { Due::Look }
        })
    }
}
