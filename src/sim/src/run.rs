//! A run: virtual time goes on from event to event, faults begin and end, and what must hold is looked at.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mf2c_store::engine::{Fault as DiskFault, MemoryEngine};
use parking_lot::Mutex;
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::agent::Commons;
use crate::agree;
use crate::clock::instant;
use crate::fleet::Fleet;
use crate::host::{Host, Witness};
use crate::judge::{Breach, Judge};
use crate::load::Ledger;
use crate::net::{Disturbance, Figures, Line, Network};
use crate::plan::{self, Fault, Victim, What};
use crate::scenario::{LineSpec, Scenario};
use crate::timeline::Timeline;
use crate::trace::Trace;

/// Pause between two looks at all agents.
const LOOK: Duration = Duration::from_secs(1);

/// So often the end of a calm is looked at, at most, before something counts as broken.
const LOOKS: u32 = 40;
/// Pause between two of these looks; not a part of the times at which agents do things.
const LOOK_AGAIN: Duration = Duration::from_millis(130);

/// What of a run is different from the usual.
#[derive(Default)]
pub struct Options {
    /// Only the faults with these numbers.
    pub keep: Option<Vec<usize>>,
    /// The run ends then, without waiting for agreement.
    pub until: Option<Duration>,
    /// A line of text for each event.
    pub trace: Option<Box<dyn std::io::Write + Send>>,
    /// Disks lie: after a kill they hold what they held so long before. For tests of the judge.
    pub lying_disks: bool,
}

/// Told of the virtual time that has passed, about once a virtual second.
pub type Watch<'a> = &'a mut dyn FnMut(Duration);

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Virtual time that has passed.
    pub lasted: Duration,
    /// The faults that happened.
    pub faults: Vec<Fault>,
    /// The first broken promise.
    pub breach: Option<Breach>,
    /// One number for everything that happened, and of how many events.
    pub trace: (u64, u64),
    /// What the network carried.
    pub network: Figures,
    /// Promises that were looked at.
    pub checks: u64,
    /// Calms at whose end everybody agreed.
    pub agreements: u64,
    /// The longest time that agreement took after a storm.
    pub slowest_agreement: Duration,
    /// Changes of leaders, the first of each area among them.
    pub elections: u64,
    /// Writes of users that were acknowledged.
    pub acknowledged: u64,
    /// Edits that leaders made of documents of their children, and that were acknowledged.
    pub edits_from_above: u64,
    /// Writes of users that were refused, or lost their agent.
    pub failed: u64,
    /// Changes seen in all stores.
    pub changes: u64,
    /// Who led, who was cut off, who lagged.
    pub timeline: Timeline,
}

enum Action {
    Begin(usize),
    End(usize),
    Look,
    /// The end of a storm: from now on agreement is waited for.
    Calm,
    /// The end of a calm: all must agree, at one of so many looks.
    Check(u32),
}

struct Run {
    start: Instant,
    commons: Arc<Commons>,
    hosts: Vec<Host>,
    plan: Vec<Fault>,
    judge: Rc<RefCell<Judge>>,
    trace: Trace,
    timeline: Timeline,
    /// Which hosts a fault that lasts has met.
    met: BTreeMap<usize, Vec<usize>>,
    /// Since when agreement is waited for.
    calm: Option<Duration>,
    agreements: u64,
    slowest: Duration,
    lying: Option<Vec<MemoryEngine>>,
    /// Hosts that go on after they stood still, and when: what they believe counts again once they had time to think.
    thawed: BTreeMap<usize, Duration>,
}

/// Runs a scenario that was checked.
///
/// # Errors
/// Where the system gives no runtime.
pub fn run(scenario: &Scenario, seed: u64, options: Options, watch: Watch<'_>) -> std::io::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let tasks = LocalSet::new();
    let outcome = tasks.block_on(&runtime, go(scenario, seed, options, watch));
    drop(tasks);
    Ok(outcome)
}

async fn go(scenario: &Scenario, seed: u64, options: Options, watch: Watch<'_>) -> Outcome {
    let start = instant();
    let fleet = Fleet::new(&scenario.topology);
    let trace = Trace::new(start, options.trace);
    let mut plan = plan::draw(seed, scenario, &fleet);
    if let Some(keep) = &options.keep {
        plan.retain(|fault| keep.contains(&fault.number));
    }
    let network = Network::new(seed, lines(scenario, &fleet), trace.clone());
    for host in 0..fleet.len() {
        network.place(host, fleet.address(host));
    }
    let leaders = (0..fleet.len()).map(|host| fleet.first_leader_of(host) == host).collect();
    let commons = Arc::new(Commons {
        scenario: scenario.clone(),
        fleet: fleet.clone(),
        network,
        leaders: Mutex::new(leaders),
        edits: Mutex::default(),
    });
    let judge = Rc::new(RefCell::new(Judge::new(fleet.clone())));
    let witness = witness(start, &commons, &judge, &trace);
    let hosts = (0..fleet.len()).map(|host| Host::new(host, seed, start, Arc::clone(&commons), Rc::clone(&witness)));
    let mut run = Run {
        start,
        hosts: hosts.collect(),
        plan,
        judge,
        trace,
        timeline: Timeline::new(&fleet, scenario.duration.get() + scenario.faults.calm.get()),
        met: BTreeMap::new(),
        calm: None,
        agreements: 0,
        slowest: Duration::ZERO,
        lying: None,
        thawed: BTreeMap::new(),
        commons,
    };
    run.hosts.iter_mut().for_each(Host::start);
    run.drive(options.until, options.lying_disks, watch).await;
    run.outcome()
}

fn lines(scenario: &Scenario, fleet: &Fleet) -> crate::net::Lines {
    let (network, fleet) = (scenario.network.clone(), fleet.clone());
    let line = |spec: &LineSpec| Line {
        latency: spec.latency.get(),
        jitter: spec.jitter.get(),
        loss: spec.loss_percent / 100.0,
        bandwidth: spec.kilobytes_per_second * 1000,
    };
    let (near, far) = (line(&network.near), line(&network.far));
    let areas: Vec<Option<usize>> = (0..fleet.len()).map(|host| fleet.area_of(host)).collect();
    Arc::new(move |one, two| if areas.get(one) == areas.get(two) { near } else { far })
}

fn witness(start: Instant, commons: &Arc<Commons>, judge: &Rc<RefCell<Judge>>, trace: &Trace) -> Witness {
    let (commons, judge, trace) = (Arc::clone(commons), Rc::clone(judge), trace.clone());
    Rc::new(move |host, standing| {
        let leads = standing.leads();
        if let Some(known) = commons.leaders.lock().get_mut(host) {
            *known = leads;
        }
        trace.event(host, standing.role.as_str(), standing.term, standing.mandate as u64);
        judge.borrow_mut().stands(start.elapsed(), host, standing);
    })
}

impl Run {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn agenda(&self, until: Option<Duration>) -> (BTreeMap<(Duration, u64), Action>, Duration) {
        let faults = &self.commons.scenario.faults;
        let (storm, calm) = (faults.storm.get(), faults.calm.get());
        let mut agenda = BTreeMap::new();
        let mut order = 0;
        let mut add = |at, action| {
            order += 1;
            agenda.insert((at, order), action);
        };
        for (at, fault) in self.plan.iter().enumerate() {
            add(fault.at, Action::Begin(at));
            add(fault.until, Action::End(at));
        }
        let mut end = Duration::ZERO;
        while end < self.commons.scenario.duration.get() {
            let healed = (end + storm).min(self.commons.scenario.duration.get().max(end + Duration::from_secs(30)));
            end = healed + calm;
            add(healed, Action::Calm);
            add(end, Action::Check(LOOKS));
        }
        add(LOOK, Action::Look);
        (agenda, until.unwrap_or(end).min(end))
    }

    async fn drive(&mut self, until: Option<Duration>, lying_disks: bool, watch: Watch<'_>) {
        let (mut agenda, mut end) = self.agenda(until);
        while let Some((&(at, order), _)) = agenda.first_key_value() {
            if at > end {
                break;
            }
            let Some(action) = agenda.remove(&(at, order)) else { break };
            tokio::time::sleep_until(self.start + at).await;
            match action {
                Action::Begin(fault) => self.begin(fault),
                Action::End(fault) => self.end(fault),
                Action::Calm => self.calm = Some(at),
                Action::Check(left) => {
                    if !self.check(at, left == 0) {
                        let next = at + LOOK_AGAIN;
                        end = end.max(next);
                        agenda.insert((next, order), Action::Check(left - 1));
                    }
                }
                Action::Look => {
                    self.look(at);
                    watch(at);
                    agenda.insert((at + LOOK, u64::MAX), Action::Look);
                    if lying_disks && self.lying.is_none() && at >= Duration::from_secs(20) {
                        self.lying = Some(self.hosts.iter().map(|host| host.disk().after_crash()).collect());
                    }
                }
            }
            if self.judge.borrow().breach.is_some() {
                return;
            }
        }
    }

    fn look(&mut self, at: Duration) {
        let mut judge = self.judge.borrow_mut();
        let awake = self.thawed.extract_if(.., |_, since| at >= *since + LOOK);
        for (host, _) in awake {
            let standing = self.hosts.get(host).filter(|host| !host.is_stopped());
            let standing = standing.and_then(|host| host.with(|running| running.standings.borrow().clone()));
            standing.into_iter().for_each(|standing| judge.stands(at, host, &standing));
        }
        for host in &mut self.hosts {
            let begun = host.has_begun();
            host.with(|running| {
                if begun {
                    judge.has_restarted(at, host, &running.store);
                }
                judge.follow(at, host.number, &running.store);
                let position = running.store.counters().position.load(std::sync::atomic::Ordering::Relaxed);
                self.trace.event(host.number, "position", position, 0);
            });
        }
        self.timeline.sample(at, &self.hosts, &judge);
        if let Some(since) = self.calm
            && agree::is_reached(&self.commons.fleet, &self.hosts, &judge)
        {
            self.slowest = self.slowest.max(at.saturating_sub(since));
            self.calm = None;
        }
    }

    /// Whether all agree, or it is known that they do not. Sums follow documents a moment later, so they are looked at again.
    fn check(&mut self, at: Duration, last: bool) -> bool {
        self.calm = None;
        let found = agree::check(&self.commons, &self.hosts, &self.judge.borrow());
        let mut judge = self.judge.borrow_mut();
        judge.checks += 1;
        match found {
            Some(_) if !last => return false,
            Some((promise, what)) => judge.broken(at, promise, what),
            None => self.agreements += 1,
        }
        true
    }

    fn begin(&mut self, at: usize) {
        let Some(fault) = self.plan.get(at).cloned() else { return };
        let who = self.meets(&fault.what);
        self.trace.event(who.first().copied().unwrap_or_default(), "fault", fault.number as u64, who.len() as u64);
        self.met.insert(at, who.clone());
        self.timeline.fault(&fault, &who);
        let network = self.commons.network.clone();
        let disturb = |what| network.disturb(fault.number, what);
        let hosts = || who.iter().copied().collect();
        match &fault.what {
            What::Spike(_, by) => disturb(Disturbance::Slow(hosts(), *by)),
            What::Loss(_, percent) => disturb(Disturbance::Loss(hosts(), f64::from(*percent) / 100.0)),
            What::Cut(_) | What::Isolate(_) => disturb(Disturbance::Cut(hosts())),
            What::OneWay(_, to) => who.iter().for_each(|from| disturb(Disturbance::OneWay(*from, *to))),
            What::Reset(_) => who.iter().for_each(|host| network.reset(*host)),
            What::LazyReader(_, rate) => disturb(Disturbance::LazyReaders(hosts(), *rate)),
            What::Kill(_) => who.iter().for_each(|host| self.kill(*host)),
            What::PowerOff(_) | What::Blackout(_) => {
                disturb(Disturbance::Dark(hosts()));
                who.iter().for_each(|host| self.kill(*host));
            }
            What::Jump(_, by) => self.each(&who, |host| host.clock.jump(*by)),
            What::Drift(_, by) => self.each(&who, |host| host.clock.drift(*by)),
            What::Full(_) => self.each(&who, |host| host.disk().inject(DiskFault::Full)),
            What::BadSync(_) => self.each(&who, |host| host.disk().inject(DiskFault::SyncFailed)),
            What::BadRead(_) => self.each(&who, |host| host.disk().inject(DiskFault::ReadFailed)),
            What::Pause(_) => {
                self.each(&who, |host| host.stop(true));
                who.iter().for_each(|host| self.judge.borrow_mut().is_out(*host));
            }
        }
    }

    fn end(&mut self, at: usize) {
        let Some(fault) = self.plan.get(at).cloned() else { return };
        let who = self.met.remove(&at).unwrap_or_default();
        self.trace.event(who.first().copied().unwrap_or_default(), "mended", fault.number as u64, 0);
        match &fault.what {
            What::Kill(_) => who.iter().for_each(|host| self.revive(*host)),
            What::PowerOff(_) | What::Blackout(_) => {
                who.iter().for_each(|host| self.commons.network.reborn(*host));
                self.commons.network.calm(fault.number);
                who.iter().for_each(|host| self.revive(*host));
            }
            What::Jump(..) | What::Drift(..) => self.each(&who, |host| host.clock.set_right()),
            What::Full(_) | What::BadSync(_) | What::BadRead(_) => self.each(&who, |host| host.disk().mend()),
            What::Pause(_) => {
                self.each(&who, |host| host.stop(false));
                self.thawed.extend(who.iter().map(|host| (*host, fault.until)));
            }
            _ => self.commons.network.calm(fault.number),
        }
    }

    fn each(&self, who: &[usize], act: impl Fn(&Host)) {
        who.iter().filter_map(|host| self.hosts.get(*host)).for_each(act);
    }

    /// Whom a fault meets.
    fn meets(&self, what: &What) -> Vec<usize> {
        let fleet = &self.commons.fleet;
        match what {
            What::Cut(hosts) => hosts.clone(),
            What::Blackout(None) => (0..fleet.len()).collect(),
            What::Blackout(Some(area)) => fleet.hosts_of(*area).collect(),
            What::Spike(who, _)
            | What::Loss(who, _)
            | What::Isolate(who)
            | What::OneWay(who, _)
            | What::Reset(who)
            | What::Kill(who)
            | What::PowerOff(who)
            | What::Jump(who, _)
            | What::Drift(who, _)
            | What::Full(who)
            | What::BadSync(who)
            | What::BadRead(who)
            | What::LazyReader(who, _)
            | What::Pause(who) => vec![match who {
                Victim::Host(host) => *host,
                Victim::Leader(area) => self.judge.borrow().leader(*area).unwrap_or(fleet.hosts_of(*area).start),
            }],
        }
    }

    fn kill(&mut self, host: usize) {
        let at = self.now();
        let Some(machine) = self.hosts.get_mut(host) else { return };
        if !machine.is_up() {
            return;
        }
        let mut judge = self.judge.borrow_mut();
        machine.with(|running| judge.follow(at, host, &running.store));
        judge.is_out(host);
        drop(judge);
        machine.kill();
        if let Some(disk) = self.lying.as_ref().and_then(|disks| disks.get(host)) {
            machine.exchange_disk(disk);
        }
    }

    /// Starts an agent again, unless another fault still keeps its machine dark.
    fn revive(&mut self, host: usize) {
        let still = self.met.iter().any(|(fault, who)| {
            let keeps = self
                .plan
                .get(*fault)
                .is_some_and(|fault| matches!(fault.what, What::Kill(_) | What::PowerOff(_) | What::Blackout(_)));
            keeps && who.contains(&host)
        });
        if still {
            return;
        }
        let Some(machine) = self.hosts.get_mut(host) else { return };
        if !machine.is_up() {
            machine.start();
        }
    }

    fn outcome(self) -> Outcome {
        let sum = |of: fn(&Ledger) -> u64| self.hosts.iter().map(|host| of(&host.ledger.borrow())).sum();
        let (acknowledged, failed) = (sum(|ledger| ledger.written), sum(|ledger| ledger.failed));
        let edits_from_above = sum(|ledger| ledger.edits_from_above);
        let lasted = self.now();
        let network = self.commons.network.figures();
        let mut hosts = self.hosts;
        hosts.iter_mut().for_each(Host::kill);
        let judge = self.judge.borrow();
        Outcome {
            lasted,
            faults: self.plan,
            breach: judge.breach.clone(),
            trace: self.trace.sum(),
            network,
            checks: judge.checks,
            agreements: self.agreements,
            slowest_agreement: self.slowest,
            elections: judge.elections,
            acknowledged,
            edits_from_above,
            failed,
            changes: judge.seen,
            timeline: self.timeline,
        }
    }
}
