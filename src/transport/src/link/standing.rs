//! The standing link to one agent: kept up, found at whatever address it has, and moved to new certificates without a gap.

use std::sync::Arc;
use std::time::Duration;

use mf2c_actors::ports::LinkError;
use mf2c_domain::area::renewal::pause_after;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::time::Timestamp;
use mf2c_fabric::wire::{Code, WireError};
use mf2c_pki::area::PeerIdentity;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tracing::{debug, info};

use super::base::ahead;
use super::dial::{dial, unreachable};
use super::net::Net;
use super::registry::{Command, Link};

/// A link that held for so long was a good one: the next attempt after it is a first one.
const GOOD: Duration = Duration::from_secs(60);
/// How often the wall clock is looked at, which may be set.
const LOOK: Duration = Duration::from_secs(3600);
/// The longest pause that a peer can order.
const LONGEST_ORDER: Duration = Duration::from_secs(60);
/// A new hint shortens a pause to this, not further: hints come from anybody.
const HINTED: Duration = Duration::from_secs(1);

/// Where the agent is said to be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    address: String,
    /// Whether the link is still wanted.
    wanted: bool,
    /// Grows when the link that is open shall give way to one at another address.
    move_to: u64,
}

/// How it stands.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// It is wanted no longer.
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
    peer: SpiffeId,
    target: watch::Sender<Target>,
    state: watch::Sender<State>,
    /// Certificates may have changed.
    changed: Notify,
    /// There is a new hint.
    hinted: Notify,
}

impl Standing {
    /// Begins to keep a link to `peer`.
    pub(super) fn begin(net: &Arc<Net>, peer: SpiffeId, address: String) -> Arc<Self> {
        let target = watch::Sender::new(Target { address, wanted: true, move_to: 0 });
        let (state, changed, hinted) = (watch::Sender::new(State::Opening), Notify::new(), Notify::new());
        let standing = Arc::new(Self { peer, target, state, changed, hinted });
        net.tasks.spawn(keep(Arc::clone(net), Arc::clone(&standing)));
        standing
    }

    /// Whether a link to an agent of this area is open.
    pub(super) fn is_up_in(&self, area: Option<&str>) -> bool {
        self.peer.area() == area && matches!(&*self.state.borrow(), State::Up(link) if !link.has_ended())
    }

    pub(super) fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// It is said to be somewhere else. With `at_once` a link that is open gives way to one at the new address.
    pub(super) fn find_at(&self, address: &str, at_once: bool) {
        self.target.send_if_modified(|target| {
            let other = target.address != address;
            if other {
                address.clone_into(&mut target.address);
                if at_once {
                    // Whoever asks from now on waits for the new one.
                    self.state.send_replace(State::Opening);
                    target.move_to += 1;
                }
            }
            other
        });
    }

    /// The link is wanted no longer: it finishes.
    pub(super) fn dismiss(&self) {
        self.state.send_replace(State::Idle);
        self.target.send_modify(|target| target.wanted = false);
    }

    /// Certificates may have changed: the link may have to move.
    pub(super) fn look(&self) {
        self.changed.notify_one();
    }

    /// It may be found at another address, too.
    pub(super) fn hinted(&self) {
        self.hinted.notify_one();
    }
}

/// What a pause ended with.
enum Woken {
    /// It is over, or certificates have changed.
    Again,
    /// The agent is to be called elsewhere, or not at all.
    Target,
}

/// Keeps the link until it is wanted no longer, or the agent stops.
async fn keep(net: Arc<Net>, standing: Arc<Standing>) {
    let mut stopped = net.stopped.subscribe();
    tokio::select! {
        biased;
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = pursue(&net, &standing) => {}
    }
    standing.state.send_replace(State::Idle);
}

async fn pursue(net: &Arc<Net>, standing: &Standing) {
    let peer = &standing.peer;
    let mut target = standing.target.subscribe();
    let mut failures = 0;
    // Where it was found last.
    let mut found = None;
    loop {
        let goal = target.borrow_and_update().clone();
        if !goal.wanted {
            return;
        }
        if net.own().is_none() {
            standing.state.send_replace(State::Down(LinkError::NoMembership));
            tokio::select! {
                biased;
                _ = target.changed() => {}
                () = standing.changed.notified() => {}
            }
            continue;
        }
        standing.state.send_replace(State::Opening);
        let dialled = tokio::select! {
            biased;
            _ = target.changed() => { failures = 0; found = None; continue }
            dialled = search(net, peer, &goal.address, found.as_deref()) => dialled,
        };
        let error = match dialled {
            Ok((link, address)) => {
                info!(%peer, address, "a standing link is open");
                let since = ahead(Duration::ZERO);
                let woken = hold(net, standing, &mut target, &goal, &address, link).await;
                if matches!(woken, Woken::Target) {
                    (failures, found) = (0, None);
                    continue;
                }
                if since + GOOD < ahead(Duration::ZERO) {
                    failures = 0;
                }
                let lost = unreachable(&address, "the link was lost");
                found = Some(address);
                lost
            }
            Err(error) => error,
        };
        failures += 1;
        let pause = pause(net, failures, &error);
        let address = &goal.address;
        info!(%peer, address, %error, failures, pause = pause.as_millis(), "no standing link");
        standing.state.send_replace(State::Down(error));
        if let Woken::Target = rest(net, standing, &mut target, pause).await {
            failures = 0;
        }
    }
}

/// How long to wait after so many attempts in a row. Who is away is looked for soon, because what was written meanwhile waits
/// for it; who refuses us has a reason that does not pass so soon.
fn pause(net: &Net, failures: u32, error: &LinkError) -> Duration {
    let entropy = &*net.base.world.entropy;
    let limits = &net.base.limits;
    let later = match error {
        LinkError::Unreachable { .. } | LinkError::NoMembership => Duration::ZERO,
        LinkError::Refused(WireError { code: Code::Busy, retry_after, .. }) => {
            Duration::from_millis(retry_after.unwrap_or_default()).min(LONGEST_ORDER)
        }
        LinkError::Refused(_) | LinkError::Untrusted { .. } => return pause_after(failures, entropy),
    };
    let doubled = limits.first_pause.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(limits.longest_pause);
    let mut byte = [0];
    entropy.fill(&mut byte);
    // A tenth of it at least, and not all at the same time.
    later + doubled / 10 + doubled * 9 / 10 * u32::from(byte[0]) / 255
}

/// Calls the agent where it was found last, where it is said to be, and where it may be, until it answers.
async fn search(
    net: &Arc<Net>,
    peer: &SpiffeId,
    address: &str,
    found: Option<&str>,
) -> Result<(Arc<Link>, String), LinkError> {
    let hints = net.hints.of(peer);
    let mut places: Vec<&str> = found.into_iter().chain([address]).chain(hints.iter().map(String::as_str)).collect();
    let mut known = std::collections::BTreeSet::new();
    places.retain(|place| known.insert(*place));
    let mut failure = None;
    for place in places {
        match dial(net, place, peer).await {
            Ok(link) => return Ok((link, place.to_owned())),
            Err(error) => {
                debug!(%peer, place, %error, "it does not answer there");
                // What went wrong at the place that is known says more than what did where it may be.
                if failure.is_none() || place == address {
                    failure = Some(error);
                }
            }
        }
    }
    Err(failure.unwrap_or_else(|| unreachable(address, "it is not known where it is")))
}

/// A pause between attempts. A new certificate ends it, because it may be what was missing; a new hint shortens it.
async fn rest(net: &Net, standing: &Standing, target: &mut watch::Receiver<Target>, pause: Duration) -> Woken {
    let shown = net.own_serial();
    let (mut end, soon): (Instant, Instant) = (ahead(pause), ahead(pause.min(HINTED)));
    loop {
        tokio::select! {
            biased;
            _ = target.changed() => return Woken::Target,
            () = standing.changed.notified() => {
                if net.own_serial() != shown {
                    return Woken::Again;
                }
            }
            () = standing.hinted.notified() => end = end.min(soon.max(ahead(Duration::ZERO))),
            () = tokio::time::sleep_until(end) => return Woken::Again,
        }
    }
}

/// Whether the link that was opened for `goal` shall go.
fn is_over(target: &mut watch::Receiver<Target>, goal: &Target) -> bool {
    let now = target.borrow_and_update();
    !now.wanted || now.move_to != goal.move_to
}

/// Holds an open link until it is lost or no longer wanted, and moves to a new one when certificates change.
async fn hold(
    net: &Arc<Net>,
    standing: &Standing,
    target: &mut watch::Receiver<Target>,
    goal: &Target,
    address: &str,
    mut link: Arc<Link>,
) -> Woken {
    let peer = &standing.peer;
    let mut shown = net.own_serial();
    let mut refresh = refresh_at(net, &link.peer.identity);
    let mut failures = 0;
    loop {
        if is_over(target, goal) {
            let _ = link.order(Command::Finish);
            return Woken::Target;
        }
        standing.state.send_if_modified(|state| {
            let same = matches!(state, State::Up(up) if up.number == link.number);
            *state = State::Up(Arc::clone(&link));
            !same
        });
        tokio::select! {
            biased;
            _ = target.changed() => continue,
            () = link.ended() => return Woken::Again,
            () = standing.changed.notified() => {}
            () = tokio::time::sleep(net.base.until(refresh).min(LOOK)) => {}
        }
        let now = net.base.world.clock.now();
        if net.own_serial() == shown && now < refresh {
            continue;
        }
        let showing = net.own_serial();
        let dialled = tokio::select! {
            biased;
            // It is not much that is lost: what changed is looked at, and then it is tried again.
            _ = target.changed() => continue,
            dialled = dial(net, address, peer) => dialled,
        };
        match dialled {
            Ok(newer) => {
                debug!(%peer, old = link.number, new = newer.number, "a standing link has moved");
                failures = 0;
                // A peer that shows the same certificate again is asked again soon, but not all the time.
                let same = newer.peer.identity.serial == link.peer.identity.serial;
                refresh =
                    if same { half_way(now, &newer.peer.identity) } else { refresh_at(net, &newer.peer.identity) };
                let old = std::mem::replace(&mut link, newer);
                standing.state.send_replace(State::Up(Arc::clone(&link)));
                shown = showing;
                let _ = old.order(Command::Finish);
            }
            Err(error) => {
                failures += 1;
                let pause = pause_after(failures, &*net.base.world.entropy);
                debug!(%peer, %error, "a standing link has not moved");
                tokio::select! {
                    biased;
                    _ = target.changed() => {}
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
