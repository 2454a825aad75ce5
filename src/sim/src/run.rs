//! A run: virtual time goes on from event to event, faults begin and end, and what must hold is looked at.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mf2c_domain::area::standing::{AreaPeer, Mandate, Standing};
use mf2c_store::engine::MemoryEngine;
use parking_lot::Mutex;
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::agent::Commons;
use crate::agree;
use crate::clock::instant;
use crate::fleet::Fleet;
use crate::host::{Host, Witness};
use crate::judge::Judge;
use crate::lag::Lags;
use crate::net::{Line, Network};
use crate::outcome::{Deeds, Outcome, RunError};
use crate::panics::Vigil;
use crate::plan::{self, Fault};
use crate::scenario::{LineSpec, Scenario};
use crate::steward::Papers;
use crate::timeline::Timeline;
use crate::trace::Trace;
use crate::workload::Ledger;

/// Pause between two looks at all agents.
const LOOK: Duration = Duration::from_secs(1);

/// When a run is sabotaged that is to break.
const SABOTAGED: Duration = Duration::from_secs(20);
/// The last storm is never shorter.
const SHORTEST_STORM: Duration = Duration::from_secs(30);

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
    /// For tests of the judge.
    pub sabotage: Sabotage,
}

/// What is done to a run so that it must break.
#[derive(Debug, Clone, Copy, Default)]
pub enum Sabotage {
    /// Nothing.
    #[default]
    None,
    /// Disks lie: after a kill they hold what they held at 20 s.
    LyingDisks,
    /// Among the tasks of this agent one does this, at 20 s.
    Task(usize, fn()),
}

/// Told of the virtual time that has passed, about once a virtual second.
pub type Watch<'a> = &'a mut dyn FnMut(Duration);

enum Action {
    Begin(usize),
    End(usize),
    Look,
    /// The end of a storm: from now on agreement is waited for.
    Calm,
    /// The end of a calm: all must agree, at one of so many looks.
    Check(u32),
}

pub(crate) struct Run<'v> {
    start: Instant,
    vigil: &'v Vigil,
    pub(crate) commons: Arc<Commons>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) plan: Vec<Fault>,
    pub(crate) judge: Rc<RefCell<Judge>>,
    pub(crate) trace: Trace,
    pub(crate) timeline: Timeline,
    lags: Lags,
    pub(crate) deeds: Deeds,
    /// Which hosts a fault that lasts has met.
    pub(crate) met: BTreeMap<usize, Vec<usize>>,
    /// Areas whose sums were right since the last check that counted.
    summed: BTreeSet<usize>,
    /// Since when agreement is waited for.
    calm: Option<Duration>,
    agreements: u64,
    slowest: Duration,
    pub(crate) lying: Option<Vec<MemoryEngine>>,
    /// Hosts that go on after they stood still, and when: what they believe counts again once they had time to think.
    pub(crate) thawed: BTreeMap<usize, Duration>,
}

/// Runs a scenario that was checked.
///
/// # Errors
/// [`RunError`].
pub fn run(scenario: &Scenario, seed: u64, options: Options, watch: Watch<'_>) -> Result<Outcome, RunError> {
    let fleet = Fleet::new(scenario);
    let plan = kept(plan::draw(seed, scenario, &fleet), options.keep.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let tasks = LocalSet::new();
    // The panic of a run that breaks off must be told by this thread after it is over.
    let vigil = runtime.block_on(async { Vigil::begin(instant()) });
    let done = catch_unwind(AssertUnwindSafe(|| {
        tasks.block_on(&runtime, go((scenario, fleet, plan), seed, options, &vigil, watch))
    }));
    drop(catch_unwind(AssertUnwindSafe(move || drop(tasks))));
    done.map_err(|_| RunError::Itself { what: vigil.last().unwrap_or_default() })
}

/// The faults that are wanted.
fn kept(mut plan: Vec<Fault>, keep: Option<&[usize]>) -> Result<Vec<Fault>, RunError> {
    let Some(keep) = keep else { return Ok(plan) };
    let planned = plan.len();
    if let Some(&number) = keep.iter().find(|number| **number >= planned) {
        return Err(RunError::NoFault { number, planned });
    }
    plan.retain(|fault| keep.contains(&fault.number));
    Ok(plan)
}

/// When storms begin and end. Where nothing comes by chance, there is one.
pub(crate) fn storms(scenario: &Scenario) -> Vec<(Duration, Duration)> {
    let mut begins = Duration::ZERO;
    let mut found = vec![];
    for (healed, end) in calms(scenario) {
        found.push((begins, healed));
        begins = end;
    }
    found
}

/// When storms end, and the calms after them.
fn calms(scenario: &Scenario) -> Vec<(Duration, Duration)> {
    let (duration, faults) = (scenario.duration.get(), &scenario.faults);
    let scripted = faults.kinds.is_empty() && !scenario.fault.is_empty();
    let storm = if scripted { duration } else { faults.storm.get() };
    let (mut found, mut end) = (vec![], Duration::ZERO);
    while end < duration {
        let healed = (end + storm).min(duration.max(end + SHORTEST_STORM));
        end = healed + faults.calm.get();
        found.push((healed, end));
    }
    found
}

/// When a run ends, if nothing breaks: with a calm that comes on top of its duration.
#[must_use]
pub fn end_of(scenario: &Scenario) -> Duration {
    calms(scenario).last().map(|(_, end)| *end).unwrap_or_default()
}

async fn go(
    (scenario, fleet, plan): (&Scenario, Fleet, Vec<Fault>),
    seed: u64,
    options: Options,
    vigil: &Vigil,
    watch: Watch<'_>,
) -> Outcome {
    let start = instant();
    let trace = Trace::new(start, options.trace);
    let network = Network::new(seed, lines(scenario, &fleet), trace.clone());
    for host in 0..fleet.len() {
        network.place(host, fleet.address(host));
    }
    let papers = |host| Papers::first(fleet.first_leader_of(host) == host, fleet.first_above(host));
    let commons = Arc::new(Commons {
        scenario: scenario.clone(),
        fleet: fleet.clone(),
        network,
        papers: Mutex::new((0..fleet.len()).map(papers).collect()),
        edits: Mutex::default(),
    });
    let judge = Rc::new(RefCell::new(Judge::new(fleet.clone(), scenario.leadership.election.get())));
    let witness = witness(start, &judge, &trace);
    let hosts = (0..fleet.len()).map(|host| Host::new(host, seed, start, Arc::clone(&commons), Rc::clone(&witness)));
    let mut run = Run {
        start,
        vigil,
        hosts: hosts.collect(),
        plan,
        judge,
        trace,
        timeline: Timeline::new(&fleet, options.until.unwrap_or_else(|| end_of(scenario))),
        lags: Lags::new(fleet.len()),
        deeds: Deeds::default(),
        met: BTreeMap::new(),
        calm: None,
        summed: BTreeSet::new(),
        agreements: 0,
        slowest: Duration::ZERO,
        lying: None,
        thawed: BTreeMap::new(),
        commons,
    };
    run.hosts.iter_mut().for_each(Host::start);
    run.drive(options.until, options.sabotage, watch).await;
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
    let of = |spec: Option<&LineSpec>, usual: Line| spec.map_or(usual, line);
    let own: Vec<(Line, Line)> = (0..fleet.areas())
        .map(|area| scenario.area.get(area))
        .map(|area| (of(area.and_then(|it| it.near.as_ref()), near), of(area.and_then(|it| it.cloud.as_ref()), far)))
        .collect();
    let areas: Vec<Option<usize>> = (0..fleet.len()).map(|host| fleet.area_of(host)).collect();
    Arc::new(move |one, two| {
        let line = |host: usize| areas.get(host).copied().flatten().and_then(|area| own.get(area));
        match (line(one), line(two)) {
            _ if areas.get(one) == areas.get(two) => line(one).map_or(near, |(near, _)| *near),
            (Some((_, far)), None) | (None, Some((_, far))) => *far,
            // From one area to another it takes the lines of both.
            (Some((_, one)), Some((_, two))) => one.and(*two),
            (None, None) => far,
        }
    })
}

fn witness(start: Instant, judge: &Rc<RefCell<Judge>>, trace: &Trace) -> Witness {
    let (judge, trace) = (Rc::clone(judge), trace.clone());
    Rc::new(move |host, standing| {
        trace.event(host, standing.role.as_str(), standing.term, standing.mandate as u64);
        trace.remark(Some(host), stands(standing));
        judge.borrow_mut().stands(start.elapsed(), host, standing);
    })
}

/// How an agent stands, for people.
fn stands(standing: &Standing) -> String {
    let (role, term) = (standing.role.as_str(), standing.term);
    let device = |peer: &AreaPeer| peer.id.device().map_or(peer.id.to_string(), short);
    match (&standing.leader, standing.leads()) {
        (_, true) => {
            let mandate = if standing.mandate == Mandate::Full { "a majority" } else { "no majority" };
            let backups: Vec<String> = standing.backups.iter().map(device).collect();
            format!("leads in term {term} with {mandate}, backups: [{}]", backups.join(", "))
        }
        (Some(leader), false) => format!("is {role} in term {term}, led by agent {}", device(leader)),
        (None, false) => format!("is {role} in term {term}, and knows of no leader"),
    }
}

/// The number of a host by its device.
fn short(device: &str) -> String {
    usize::from_str_radix(device, 16).map_or_else(|_| device.to_owned(), |host| host.to_string())
}

impl Run<'_> {
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn agenda(&self, until: Option<Duration>) -> (BTreeMap<(Duration, u64), Action>, Duration) {
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
        let calms = calms(&self.commons.scenario);
        for (healed, end) in &calms {
            add(*healed, Action::Calm);
            add(*end, Action::Check(LOOKS));
        }
        let end = calms.last().map(|(_, end)| *end).unwrap_or_default();
        add(LOOK, Action::Look);
        (agenda, until.unwrap_or(end).min(end))
    }

    async fn drive(&mut self, until: Option<Duration>, sabotage: Sabotage, watch: Watch<'_>) {
        let (mut agenda, mut end) = self.agenda(until);
        while let Some((&(at, order), _)) = agenda.first_key_value() {
            if at > end {
                break;
            }
            let Some(action) = agenda.remove(&(at, order)) else { break };
            tokio::time::sleep_until(self.start + at).await;
            if self.has_panicked() {
                return;
            }
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
                    if at == SABOTAGED {
                        self.sabotage(sabotage);
                    }
                }
            }
            if self.judge.borrow().breach.is_some() {
                return;
            }
        }
    }

    /// A panic of an agent breaks the run, whatever followed from it.
    fn has_panicked(&self) -> bool {
        let Some(panic) = self.vigil.first() else { return false };
        let who = panic.host.map_or("a thread that agents share".to_owned(), |host| format!("agent {host}"));
        self.judge.borrow_mut().broken(panic.at, "agents do not panic", format!("{who} panicked: {}", panic.what));
        true
    }

    fn sabotage(&mut self, how: Sabotage) {
        match how {
            Sabotage::None => {}
            Sabotage::LyingDisks => {
                self.lying = Some(self.hosts.iter().map(|host| host.disk().after_crash()).collect());
            }
            Sabotage::Task(host, act) => {
                if let Some(host) = self.hosts.get(host) {
                    host.interfere(act);
                }
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
                let position = running.store.counters().position.load(Ordering::Relaxed);
                self.trace.event(host.number, "position", position, 0);
            });
        }
        self.recount(at, &judge);
        self.lags.look(at, &self.commons.fleet, &self.hosts, &judge);
        self.timeline.sample(at, &self.hosts, &judge, &self.lags);
        if let Some(since) = self.calm
            && agree::is_reached(&self.commons.fleet, &self.hosts, &judge)
        {
            self.slowest = self.slowest.max(at.saturating_sub(since));
            self.calm = None;
        }
    }

    /// Holds the sums of one area against a recount: of each in turn, for it reads all that its leader has.
    fn recount(&self, at: Duration, judge: &Judge) {
        let area = at.as_secs() as usize % self.commons.fleet.areas();
        let leader = judge.leader(area).and_then(|leader| self.hosts.get(leader));
        let Some(leader) = leader.filter(|leader| !leader.is_stopped()) else { return };
        let (number, start, judge) = (leader.number, self.start, Rc::clone(&self.judge));
        leader.recount(move |wrong| {
            judge.borrow_mut().broken(start.elapsed(), "sums equal a recount", format!("agent {number}, {wrong}"));
        });
    }

    /// Whether all agree, or it is known that they do not. Sums follow documents a moment later, so they are looked at again.
    fn check(&mut self, at: Duration, last: bool) -> bool {
        self.calm = None;
        let found = agree::check(&self.commons, &self.hosts, &self.judge.borrow(), &mut self.summed);
        let mut judge = self.judge.borrow_mut();
        judge.checks += 1;
        if last || found.is_none() {
            self.summed.clear();
        }
        match found {
            Some(_) if !last => return false,
            Some((promise, what)) => judge.broken(at, promise, what),
            None => self.agreements += 1,
        }
        true
    }

    fn outcome(mut self) -> Outcome {
        let sum = |of: fn(&Ledger) -> u64| self.hosts.iter().map(|host| of(&host.ledger.borrow())).sum();
        let (acknowledged, failed) = (sum(|ledger| ledger.written), sum(|ledger| ledger.failed));
        let edits_from_above = sum(|ledger| ledger.edits_from_above);
        let lasted = self.now();
        let network = self.commons.network.figures();
        self.hosts.iter().for_each(|host| self.deeds.add(host));
        self.hosts.iter_mut().for_each(Host::kill);
        // Some panic as they end.
        let _ = self.has_panicked();
        let mut judge = self.judge.borrow_mut();
        judge.reigns.iter_mut().for_each(|reign| reign.end(lasted));
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
            deeds: self.deeds,
            reigns: std::mem::take(&mut judge.reigns),
            lag_at_leaders: self.lags.at_leaders,
            lag_at_cloud: self.commons.fleet.cloud().map(|_| self.lags.at_cloud),
            timeline: self.timeline,
            remarks: self.trace.remarks(),
        }
    }
}
