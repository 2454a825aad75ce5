//! Faults as they come over a run: whom they meet, what they do, and how they are mended.

use mf2c_store::engine::Fault as DiskFault;

use crate::host::Host;
use crate::net::Disturbance;
use crate::plan::{Fault, Victim, What};
use crate::reign::Trouble;
use crate::run::Run;

impl Run<'_> {
    pub(crate) fn begin(&mut self, at: usize) {
        let Some(fault) = self.plan.get(at).cloned() else { return };
        let who = self.meets(&fault.what);
        self.trace.event(who.first().copied().unwrap_or_default(), "fault", fault.number as u64, who.len() as u64);
        self.trace.remark(None, format!("fault {} begins: {}{}", fault.number, fault.what, met(&fault.what, &who)));
        self.met.insert(at, who.clone());
        self.timeline.fault(&fault, &who);
        if let Some(trouble) = trouble(&fault, &who) {
            self.judge.borrow_mut().troubles.begin(fault.number, trouble);
        }
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
                who.iter().for_each(|host| self.judge.borrow_mut().is_out(fault.at, *host));
            }
        }
    }

    pub(crate) fn end(&mut self, at: usize) {
        let Some(fault) = self.plan.get(at).cloned() else { return };
        let who = self.met.remove(&at).unwrap_or_default();
        self.trace.event(who.first().copied().unwrap_or_default(), "mended", fault.number as u64, 0);
        self.trace.remark(None, format!("fault {} is mended: {}{}", fault.number, fault.what, met(&fault.what, &who)));
        self.judge.borrow_mut().troubles.end(fault.number, fault.until);
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
            one => match one.victim() {
                None => vec![],
                Some(Victim::Host(host)) => vec![host],
                Some(Victim::Leader(area)) => {
                    vec![self.judge.borrow().leader(area).unwrap_or(fleet.hosts_of(area).start)]
                }
            },
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
        judge.is_out(at, host);
        drop(judge);
        self.deeds.add(machine);
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
            self.trace.remark(Some(host), "runs again".to_owned());
        }
    }
}

/// Who the leader is that a fault has met.
fn met(what: &What, who: &[usize]) -> String {
    match (what.victim(), who) {
        (Some(Victim::Leader(_)), [host]) => format!(", which is agent {host}"),
        _ => String::new(),
    }
}

/// Why a leader may have to be replaced while this fault lasts; a wall clock is none.
fn trouble(fault: &Fault, who: &[usize]) -> Option<Trouble> {
    let splits = matches!(fault.what, What::Cut(_));
    let mut who = who.to_vec();
    match &fault.what {
        What::Jump(..) | What::Drift(..) => return None,
        What::OneWay(_, to) => who.push(*to),
        _ => {}
    }
    Some(Trouble { who, splits, since: fault.at })
}
