//! The standing link to the leader: kept up, moved to new certificates without a gap, and asked over.

use std::sync::Arc;
use std::time::Duration;

use mf2c_actors::ports::LinkError;
use mf2c_domain::area::renewal::pause_after;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::time::Timestamp;
use mf2c_fabric::wire::{Answer, Ask, Code, WireError};
use mf2c_pki::area::{PeerIdentity, Serial};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info};

use super::base::ahead;
use super::dial::{dial, unreachable};
use super::net::Net;
use super::registry::{Asking, Command, Link};

/// A link that held for so long was a good one: the next attempt after it is a first one.
const GOOD: Duration = Duration::from_secs(60);
/// How often the wall clock is looked at, which may be set.
const LOOK: Duration = Duration::from_secs(3600);

/// Where the leader is and who it must be.
pub(super) type Target = Option<(String, SpiffeId)>;

/// How it stands.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// There is no leader to call.
    Idle,
    /// A link is being opened.
    Opening,
    /// It is open.
    Up(Arc<Link>),
    /// There is none; the next attempt comes after a pause.
    Down(LinkError),
}

/// What is wanted and what there is.
#[derive(Debug)]
pub(super) struct Standing {
    target: watch::Sender<Target>,
    state: watch::Sender<State>,
    /// Certificates may have changed.
    changed: Notify,
}

impl Standing {
    pub(super) fn new() -> Self {
        Self { target: watch::Sender::new(None), state: watch::Sender::new(State::Idle), changed: Notify::new() }
    }

    /// Another leader, another address, or none.
    pub(super) fn lead_to(&self, target: Target) {
        self.target.send_if_modified(|current| {
            let other = *current != target;
            if other {
                // Whoever asks from now on waits for the new one.
                self.state.send_replace(if target.is_some() { State::Opening } else { State::Idle });
                *current = target;
            }
            other
        });
        self.changed.notify_one();
    }

    /// Certificates may have changed: the link may have to move.
    pub(super) fn look(&self) {
        self.changed.notify_one();
    }
}

/// What a pause ended with.
enum Woken {
    /// It is over, or certificates have changed.
    Again,
    /// The leader is another one.
    Target,
}

/// Keeps the link until the agent stops.
pub(super) async fn keep(net: Arc<Net>) {
    let mut stopped = net.stopped.subscribe();
    tokio::select! {
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = pursue(&net) => {}
    }
    net.standing.state.send_replace(State::Idle);
}

async fn pursue(net: &Arc<Net>) {
    let standing = &net.standing;
    let mut target = standing.target.subscribe();
    let mut failures = 0;
    loop {
        let Some((address, leader)) = target.borrow_and_update().clone() else {
            standing.state.send_replace(State::Idle);
            if target.changed().await.is_err() {
                return;
            }
            failures = 0;
            continue;
        };
        if net.credentials.membership().is_none() {
            standing.state.send_replace(State::Down(LinkError::NoMembership));
            tokio::select! {
                _ = target.changed() => {}
                () = standing.changed.notified() => {}
            }
            continue;
        }
        standing.state.send_replace(State::Opening);
        let dialled = tokio::select! {
            dialled = dial(net, &address, &leader) => dialled,
            _ = target.changed() => { failures = 0; continue }
        };
        let error = match dialled {
            Ok(link) => {
                info!(%leader, address, "the link to the leader is open");
                let since = ahead(Duration::ZERO);
                if matches!(hold(net, &mut target, &address, &leader, link).await, Woken::Target) {
                    failures = 0;
                    continue;
                }
                if since + GOOD < ahead(Duration::ZERO) {
                    failures = 0;
                }
                unreachable(&address, "the link was lost")
            }
            Err(error) => error,
        };
        failures += 1;
        let pause = pause_after(failures, &*net.base.world.entropy);
        info!(%leader, address, %error, failures, pause = pause.as_millis(), "no link to the leader");
        standing.state.send_replace(State::Down(error));
        if let Woken::Target = rest(net, &mut target, pause).await {
            failures = 0;
        }
    }
}

/// A pause between attempts. A new certificate ends it, because it may be what was missing.
async fn rest(net: &Net, target: &mut watch::Receiver<Target>, pause: Duration) -> Woken {
    let shown = own_serial(net);
    let end = ahead(pause);
    loop {
        tokio::select! {
            _ = target.changed() => return Woken::Target,
            () = tokio::time::sleep_until(end) => return Woken::Again,
            () = net.standing.changed.notified() => {
                if own_serial(net) != shown {
                    return Woken::Again;
                }
            }
        }
    }
}

fn own_serial(net: &Net) -> Option<Serial> {
    net.credentials.membership().map(|membership| membership.own.serial.clone())
}

/// Holds an open link until it is lost or no longer wanted, and moves to a new one when certificates change.
async fn hold(
    net: &Arc<Net>,
    target: &mut watch::Receiver<Target>,
    address: &str,
    leader: &SpiffeId,
    mut link: Arc<Link>,
) -> Woken {
    let mut shown = own_serial(net);
    let mut refresh = refresh_at(net, &link.peer.identity);
    let mut failures = 0;
    loop {
        net.standing.state.send_if_modified(|state| {
            let same = matches!(state, State::Up(up) if up.number == link.number);
            *state = State::Up(Arc::clone(&link));
            !same
        });
        tokio::select! {
            _ = target.changed() => {
                let _ = link.order(Command::Finish);
                return Woken::Target;
            }
            () = link.ended() => return Woken::Again,
            () = net.standing.changed.notified() => {}
            () = tokio::time::sleep(net.base.until(refresh).min(LOOK)) => {}
        }
        let now = net.base.world.clock.now();
        if own_serial(net) == shown && now < refresh {
            continue;
        }
        let showing = own_serial(net);
        let dialled = tokio::select! {
            dialled = dial(net, address, leader) => dialled,
            _ = target.changed() => {
                let _ = link.order(Command::Finish);
                return Woken::Target;
            }
        };
        match dialled {
            Ok(newer) => {
                debug!(%leader, old = link.number, new = newer.number, "the link to the leader has moved");
                failures = 0;
                // A leader that shows the same certificate again is asked again soon, but not all the time.
                let same = newer.peer.identity.serial == link.peer.identity.serial;
                refresh =
                    if same { half_way(now, &newer.peer.identity) } else { refresh_at(net, &newer.peer.identity) };
                let old = std::mem::replace(&mut link, newer);
                net.standing.state.send_replace(State::Up(Arc::clone(&link)));
                shown = showing;
                let _ = old.order(Command::Finish);
            }
            Err(error) => {
                failures += 1;
                let pause = pause_after(failures, &*net.base.world.entropy);
                debug!(%leader, %error, "the link to the leader has not moved");
                tokio::select! {
                    _ = target.changed() => {
                        let _ = link.order(Command::Finish);
                        return Woken::Target;
                    }
                    () = link.ended() => return Woken::Again,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }
}

/// When to look for a newer certificate of the peer: shortly before its end, after its owner should have renewed it, and not
/// at the same time as others.
fn refresh_at(net: &Net, peer: &PeerIdentity) -> Timestamp {
    let left = (peer.not_after.nanos() - net.base.world.clock.now().nanos()).max(0);
    let mut byte = [0];
    net.base.world.entropy.fill(&mut byte);
    Timestamp::from_nanos(peer.not_after.nanos() - left / 10 + left / 20 * i128::from(byte[0]) / 256)
}

/// Half way to the end of the peer's certificate, a second from now at least.
fn half_way(now: Timestamp, peer: &PeerIdentity) -> Timestamp {
    let left = (peer.not_after.nanos() - now.nanos()).max(0);
    Timestamp::from_nanos(now.nanos() + (left / 2).max(1_000_000_000))
}

/// Asks the leader, waiting for the link if it is being opened.
pub(super) async fn ask(net: &Net, ask: Ask) -> Result<Answer, LinkError> {
    if net.credentials.membership().is_none() {
        return Err(LinkError::NoMembership);
    }
    let within = net.base.limits.answer;
    let end = ahead(within);
    let link = up(net, end).await?;
    let address = link.peer.address.to_string();
    let (reply, answer) = oneshot::channel();
    let deadline = u32::try_from(within.as_millis()).unwrap_or(u32::MAX);
    if link.order(Command::Ask(Box::new(Asking { ask, deadline, reply }))).is_err() {
        return Err(if link.has_ended() {
            unreachable(&address, "the link was lost")
        } else {
            LinkError::Refused(WireError::new(Code::Busy, "too many questions wait for this link: ask again later"))
        });
    }
    match timeout_at(end, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(unreachable(&address, "the link was lost")),
        Err(_) => Err(unreachable(&address, "no answer came in time")),
    }
}

async fn up(net: &Net, end: Instant) -> Result<Arc<Link>, LinkError> {
    let mut state = net.standing.state.subscribe();
    loop {
        let now = state.borrow_and_update().clone();
        match now {
            State::Up(link) if !link.has_ended() => return Ok(link),
            State::Down(error) => return Err(error),
            State::Idle => return Err(unreachable("the leader", "it is not known where it is")),
            State::Opening | State::Up(_) => {}
        }
        match timeout_at(end, state.changed()).await {
            Ok(Ok(())) => {}
            _ => return Err(unreachable("the leader", "no link was open in time")),
        }
    }
}
