//! One area's consensus as this agent takes part in it: the `raft` crate's state machine, its log, and the times that the
//! crate does not measure itself.
//!
//! Nothing that depends on a change is sent before [`Group::kept`] says that the change is on disk.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use protobuf::Message as _;
use raft::eraftpb::{ConfChangeV2, Entry, EntryType, Message, MessageType};
use raft::{Config, RawNode, SnapshotStatus, StateRole};

use super::guard;
use super::log::{KeptLog, Log, is_joint};
use super::roster::Roster;
use super::settings::Settings;
use crate::wire::Bytes;

/// An election by the crate's own ticks never comes: [`Group::tick`] decides when this agent may try.
const NEVER: usize = 1 << 40;
/// The most messages that wait for the disk; the peers repeat what is lost.
const MOST_HELD: usize = 1024;

/// A message of the consensus on its way.
pub(super) struct Posted {
    /// The seat it is for.
    pub(super) to: u64,
    pub(super) bytes: Bytes,
    /// See [`super::LeadershipMessage::Raft`].
    pub(super) stamp: u64,
    pub(super) founded: u64,
}

/// What waits until a state is on disk.
struct Held {
    /// The number under which it is kept.
    keep: u64,
    ready: u64,
    posts: Vec<Posted>,
}

/// What came of a step.
#[derive(Default)]
pub(super) struct Outcome {
    /// There is a state to keep, under this number.
    pub(super) keep: Option<u64>,
    pub(super) posts: Vec<Posted>,
    /// The seats have changed.
    pub(super) reseated: bool,
}

/// See the module.
pub(super) struct Group {
    pub(super) raw: RawNode<Log>,
    settings: Settings,
    witness: bool,
    held: VecDeque<Held>,
    keeps: u64,
    /// When the leader was last heard of, or the start.
    contact: Duration,
    /// Whether one was heard of since the start: it may count on this agent's patience.
    heard: bool,
    /// The newest time of the leader's clock that it has sent.
    leader_stamp: u64,
    /// When what each seat has answered was sent.
    pub(super) acks: BTreeMap<u64, Duration>,
    next_beat: Duration,
    next_try: Duration,
    /// A leader is there that does not count on this agent: it does not try.
    pub(super) muted: bool,
    /// Of which foundation of the area this is, see [`super::LeadClaim::founded`].
    founded: u64,
    /// The area was founded anew without it: it neither tries nor votes any more.
    pub(super) over: bool,
    /// Others that are less behind may go first.
    pub(super) handicap: u32,
    /// The number of the entry that changed the seats last.
    arranged: u64,
    /// When a hand-over was begun: until it is known what came of it there is no lease.
    handing_over: Option<(u64, Duration)>,
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Group {
    /// Takes up a log. `now` counts as a contact with the leader: who was away does not vote at once.
    pub(super) fn new(own: u64, log: Log, witness: bool, settings: &Settings, now: Duration) -> raft::Result<Self> {
        let (ticks, founded) = (settings.ticks(), log.roster.founded);
        let config = Config {
            id: own,
            election_tick: ticks,
            heartbeat_tick: 1,
            min_election_tick: NEVER,
            max_election_tick: NEVER + 1,
            applied: log.base_index(),
            max_size_per_msg: 16 << 10,
            max_inflight_msgs: 16,
            check_quorum: true,
            pre_vote: true,
            ..Config::new(own)
        };
        let raw = RawNode::new(&config, log, &slog::Logger::root(slog::Discard, slog::o!()))?;
        Ok(Self {
            raw,
            settings: settings.clone(),
            witness,
            held: VecDeque::new(),
            keeps: 0,
            contact: now,
            heard: false,
            leader_stamp: 0,
            acks: BTreeMap::new(),
            next_beat: now,
            next_try: now,
            muted: false,
            founded,
            over: false,
            handicap: 0,
            arranged: 0,
            handing_over: None,
        })
    }

    pub(super) fn term(&self) -> u64 {
        self.raw.raft.term
    }

    pub(super) fn roster(&self) -> &Roster {
        &self.raw.store().roster
    }

    /// Of which foundation of the area it is.
    pub(super) fn founded(&self) -> u64 {
        self.founded
    }

    /// One that knows of no seats yet learns of which foundation it is from who invites it.
    pub(super) fn belong_to(&mut self, founded: u64) {
        if self.roster().seats.is_empty() {
            self.founded = founded;
        }
    }

    /// The seat that leads, as far as is known here.
    pub(super) fn leader(&self) -> Option<u64> {
        Some(self.raw.raft.leader_id).filter(|leader| *leader != 0)
    }

    /// Whether this agent was elected and a majority has agreed on something since.
    pub(super) fn leads(&self) -> bool {
        self.elected() && self.raw.raft.apply_to_current_term()
    }

    pub(super) fn elected(&self) -> bool {
        self.raw.raft.state == StateRole::Leader
    }

    pub(super) fn voters(&self) -> Vec<u64> {
        self.raw.store().conf.voters.clone()
    }

    pub(super) fn learners(&self) -> Vec<u64> {
        self.raw.store().conf.learners.clone()
    }

    pub(super) fn is_voter(&self, seat: u64) -> bool {
        let conf = &self.raw.store().conf;
        conf.voters.contains(&seat) || conf.voters_outgoing.contains(&seat)
    }

    /// Whether the seats are between two arrangements.
    pub(super) fn is_changing(&self) -> bool {
        is_joint(&self.raw.store().conf) || self.raw.raft.has_pending_conf()
    }

    pub(super) fn contact(&self) -> Duration {
        self.contact
    }

    /// Whether a leader was heard of since the start.
    pub(super) fn has_heard(&self) -> bool {
        self.heard
    }

    /// When the newest thing that a seat has answered was sent.
    pub(super) fn ack(&self, seat: u64) -> Option<Duration> {
        self.acks.get(&seat).copied()
    }

    /// Whether a seat has all that was agreed on.
    pub(super) fn is_caught_up(&self, seat: u64) -> bool {
        let raft = &self.raw.raft;
        raft.prs().get(seat).is_some_and(|progress| progress.matched >= raft.raft_log.committed)
    }

    /// The number of the present arrangement of seats.
    pub(super) fn arrangement(&self) -> u64 {
        self.arranged
    }

    /// Whether a seat knows the present arrangement of seats: from then on it can vote, or take over.
    pub(super) fn knows_arrangement(&self, seat: u64) -> bool {
        let told = self.raw.raft.prs().get(seat).map_or(0, |progress| progress.committed_index);
        !self.is_changing() && told >= self.arranged
    }

    /// Until when a majority lets this agent lead; none where it does not or never ends.
    pub(super) fn lease_end(&self) -> Option<Duration> {
        let conf = &self.raw.store().conf;
        let own = self.raw.raft.id;
        let since = |voters: &[u64]| {
            let mut acks: Vec<Duration> = voters
                .iter()
                .map(|voter| if *voter == own { Duration::MAX } else { self.ack(*voter).unwrap_or_default() })
                .collect();
            acks.sort_unstable_by(|a, b| b.cmp(a));
            acks.get(voters.len() / 2).copied()
        };
        let since = since(&conf.voters)?.min(since(&conf.voters_outgoing).unwrap_or(Duration::MAX));
        (since < Duration::MAX).then(|| since.saturating_add(self.settings.lease()))
    }

    /// Whether this agent leads with the consent of a majority at this instant.
    pub(super) fn has_mandate(&self, now: Duration) -> bool {
        self.leads()
            && self.handing_over.is_none()
            && self.is_voter(self.raw.raft.id)
            && self.lease_end().map_or_else(|| self.voters() == [self.raw.raft.id], |end| now < end)
    }

    /// Takes a message that [`guard::form`] let through, of the seat that sent it.
    pub(super) fn step(&mut self, message: Message, stamp: u64, now: Duration) -> Result<(), &'static str> {
        guard::agrees(&message, &self.raw)?;
        if guard::asks_vote(&message) {
            let waited = now.saturating_sub(self.contact) >= self.settings.patience();
            // One that learns, as far as is known here, may have got its vote meanwhile: that is for its log to show.
            let seated = self.is_voter(message.from) || self.learners().contains(&message.from);
            if self.over || !seated || !(waited || guard::is_transfer(&message)) {
                return Ok(());
            }
        }
        if message.get_msg_type() == MessageType::MsgTimeoutNow && self.witness {
            return Ok(());
        }
        let (from, term, leads) = (message.from, message.term, guard::from_leader(&message));
        let answers =
            matches!(message.get_msg_type(), MessageType::MsgHeartbeatResponse | MessageType::MsgAppendResponse);
        let elapsed = now.saturating_sub(self.contact).as_millis() / self.settings.heartbeat.as_millis().max(1);
        if !self.elected() {
            self.raw.raft.election_elapsed = usize::try_from(elapsed).unwrap_or(NEVER);
        }
        // Refusals of the crate are its way of passing over what is of no use.
        let _ = self.raw.step(message);
        if leads && self.leader() == Some(from) && term == self.term() {
            self.contact = now;
            self.heard = true;
            self.leader_stamp = stamp;
        }
        if answers && self.elected() && term == self.term() {
            self.acknowledged(from, stamp, now);
        }
        Ok(())
    }

    fn acknowledged(&mut self, from: u64, stamp: u64, now: Duration) {
        let sent = Duration::from_millis(stamp).min(now);
        let ack = self.acks.entry(from).or_insert(sent);
        *ack = sent.max(*ack);
        // It was told to take over and follows on: the hand-over has failed.
        if self.handing_over.is_some_and(|(to, at)| to == from && sent > at + self.settings.patience()) {
            self.handing_over = None;
        }
    }

    /// Lets time pass: heartbeats of a leader, the try of a voter that has not heard of one.
    pub(super) fn tick(&mut self, now: Duration) {
        if self.elected() {
            if now < self.next_beat {
                return;
            }
            if self.handing_over.is_some_and(|(_, at)| now.saturating_sub(at) > self.settings.suspicion * 2) {
                self.handing_over = None;
            }
            // After a pause the beats that were missed are not made up for.
            self.next_beat = (self.next_beat + self.settings.heartbeat).max(now);
            self.raw.tick();
        } else if self.may_try() && self.try_at() <= now {
            let rank = u32::try_from(self.rank()).unwrap_or(0);
            self.next_try = now + self.settings.patience() / 4 + self.settings.heartbeat * rank;
            let _ = self.raw.campaign();
        }
        self.next_beat = self.next_beat.max(now.saturating_sub(self.settings.heartbeat));
    }

    fn rank(&self) -> usize {
        self.roster().rank(self.raw.raft.id).unwrap_or(0)
    }

    fn may_try(&self) -> bool {
        // The crate takes for granted that a candidate has everything on disk.
        !self.witness && !self.muted && !self.over && self.raw.raft.promotable() && self.held.is_empty()
    }

    /// When this voter tries to be elected. The first in line is half a heartbeat more patient than those who vote, who have
    /// heard of the leader a little later; each one further back leaves it the time for its try.
    fn try_at(&self) -> Duration {
        if self.voters() == [self.raw.raft.id] && !is_joint(&self.raw.store().conf) {
            let wait = if self.heard { self.settings.patience() } else { Duration::ZERO };
            return self.next_try.max(self.contact + wait);
        }
        let rank = u32::try_from(self.rank()).unwrap_or(0) + self.handicap.min(4);
        let wait = self.settings.patience() + self.settings.heartbeat / 2 + self.settings.heartbeat * rank * 3 / 4;
        self.next_try.max(self.contact + wait)
    }

    /// When [`Group::tick`] has something to do.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        if self.elected() {
            let alone = self.raw.raft.prs().iter().count() <= 1;
            return (!alone).then_some(self.next_beat);
        }
        self.may_try().then(|| self.try_at())
    }

    /// Proposes an arrangement of seats, together with the roster that belongs to it.
    pub(super) fn propose(&mut self, change: Option<ConfChangeV2>, roster: &Roster) -> bool {
        let context = roster.encode();
        match change {
            Some(change) => self.raw.propose_conf_change(context, change).is_ok(),
            None => self.raw.propose(vec![], context).is_ok(),
        }
    }

    /// Hands the lead over to a voter that has all that was agreed on. From now on there is no lease.
    pub(super) fn hand_over(&mut self, to: u64, now: Duration) {
        self.handing_over = Some((to, now));
        self.raw.transfer_leader(to);
    }

    pub(super) fn is_handing_over(&self) -> bool {
        self.handing_over.is_some()
    }

    /// A seat cannot be reached now.
    pub(super) fn unreachable(&mut self, seat: u64) {
        self.raw.report_unreachable(seat);
        self.raw.report_snapshot(seat, SnapshotStatus::Failure);
    }

    /// Another leader of a later term is known.
    pub(super) fn step_down(&mut self, term: u64, now: Duration) {
        self.contact = now;
        if self.elected() {
            self.handing_over = None;
            let term = term.max(self.raw.raft.term);
            self.raw.raft.become_follower(term, 0);
        }
    }

    /// The state is on disk that was to be kept under `number`.
    pub(super) fn kept(&mut self, number: u64) -> Vec<Posted> {
        let mut posts = Vec::new();
        while self.held.front().is_some_and(|held| held.keep <= number) {
            let Some(held) = self.held.pop_front() else { break };
            self.raw.on_persist_ready(held.ready);
            posts.extend(held.posts);
        }
        self.apply_base();
        posts
    }

    /// A snapshot counts as applied once it is on disk. The crate must be told: where it goes for an election it looks at what
    /// follows on the last entry that was applied, which must not lie before the base of the log.
    fn apply_base(&mut self) {
        let base = self.raw.store().base_index();
        if self.held.is_empty() && self.raw.raft.raft_log.applied < base {
            self.raw.advance_apply_to(base);
        }
    }

    pub(super) fn to_keep(&self) -> KeptLog {
        self.raw.store().keep()
    }

    /// Takes out what the consensus wants done.
    pub(super) fn pump(&mut self, now: Duration) -> Outcome {
        let mut outcome = Outcome::default();
        if !self.elected() {
            self.handing_over = None;
            self.acks.clear();
        }
        while self.raw.has_ready() {
            let mut ready = self.raw.ready();
            let immediate = ready.take_messages();
            outcome.posts.extend(self.post(immediate, now));
            let held = ready.take_persisted_messages();
            let store = self.raw.mut_store();
            if !ready.snapshot().is_empty() {
                let roster = Roster::decode(ready.snapshot().get_data()).unwrap_or_default();
                self.founded = roster.founded;
                store.take(ready.snapshot(), roster);
                outcome.reseated = true;
            }
            store.append(ready.entries());
            if let Some(hard) = ready.hs() {
                store.set_hard(hard);
            }
            let (number, must) = (ready.number(), ready.must_sync());
            let agreed = ready.take_committed_entries();
            self.raw.advance_append_async(ready);
            let held = self.post(held, now);
            self.hold(number, must, held, &mut outcome);
            outcome.reseated |= self.apply(&agreed);
            if self.elected() && !self.is_voter(self.raw.raft.id) {
                // It was elected by those before, and what they had agreed on gives its vote away.
                self.step_down(0, now);
            }
        }
        outcome
    }

    fn hold(&mut self, ready: u64, must: bool, posts: Vec<Posted>, outcome: &mut Outcome) {
        if must {
            self.keeps += 1;
            outcome.keep = Some(self.keeps);
        } else if self.held.is_empty() {
            self.raw.on_persist_ready(ready);
            self.apply_base();
            outcome.posts.extend(posts);
            return;
        }
        let waiting: usize = self.held.iter().map(|held| held.posts.len()).sum();
        let posts = if waiting > MOST_HELD { vec![] } else { posts };
        self.held.push_back(Held { keep: self.keeps, ready, posts });
    }

    /// Takes over what was agreed on; whether the seats have changed.
    fn apply(&mut self, agreed: &[Entry]) -> bool {
        let Some(last) = agreed.last() else { return false };
        let mut reseated = false;
        for entry in agreed {
            let earlier = std::mem::take(&mut reseated);
            let roster = match entry.get_entry_type() {
                EntryType::EntryNormal => Roster::decode(entry.get_data()),
                _ => {
                    let change = ConfChangeV2::parse_from_bytes(entry.get_data()).unwrap_or_default();
                    // What cannot be applied is refused alike by everybody.
                    if let Ok(conf) = self.raw.apply_conf_change(&change) {
                        self.raw.mut_store().conf = conf;
                        reseated = true;
                    }
                    Roster::decode(entry.get_context())
                }
            };
            if let Some(roster) = roster {
                self.raw.mut_store().roster = roster;
                reseated = true;
            }
            if reseated {
                self.arranged = entry.index;
            }
            reseated |= earlier;
        }
        self.raw.advance_apply_to(last.index);
        self.raw.mut_store().applied(last.index);
        reseated
    }

    fn post(&self, messages: Vec<Message>, now: Duration) -> Vec<Posted> {
        let posted = messages.into_iter().map(|message| {
            let stamp = if guard::from_leader(&message) { millis(now) } else { self.leader_stamp };
            let bytes = Bytes(message.write_to_bytes().unwrap_or_default());
            Posted { to: message.to, bytes, stamp, founded: self.founded }
        });
        posted.collect()
    }
}
