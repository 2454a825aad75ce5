//! One workload on one agent: what shall be, what is seen, and the one thing to do next.
//!
//! It works by state and not by history: whatever was missed, lost or done twice, the next look at the engine puts it right. One
//! order is under way at a time; health is asked for beside it.

use std::time::Duration;

use crate::health::{Answers, Health, HealthCheck};
use crate::restart::{RestartPolicy, RestartWhen, Restarts};
use crate::status::AgentStatus;
use crate::step::{Desired, Exit, Input, Note, Order, Seen, Step, Trouble};

/// The first pause after an order that may be tried again. Each further one is twice as long.
const RETRY_DELAY: Duration = Duration::from_millis(500);
/// The longest of them.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug, Clone)]
pub struct Supervisor {
    policy: RestartPolicy,
    check: Option<HealthCheck>,
    desired: Desired,
    seen: Option<Seen>,
    is_prepared: bool,
    busy: Option<Order>,
    is_probing: bool,
    /// Nothing is ordered before that.
    not_before: Option<Duration>,
    next_probe: Duration,
    started: Duration,
    answers: Answers,
    restarts: Restarts,
    /// Failures of orders in a row.
    failures: u32,
    trouble: Option<Trouble>,
    /// It ended, and its policy leaves it so.
    is_over: bool,
    /// It is stopped because it was unhealthy, and its end has not been told yet.
    is_recycled: bool,
    is_gone: bool,
}

impl Supervisor {
    /// Of a workload that nothing is known of yet. `restarts` is what was kept of it.
    #[must_use]
    pub fn new(policy: RestartPolicy, check: Option<HealthCheck>, desired: Desired, restarts: u64) -> Self {
        Self {
            policy,
            check,
            desired,
            seen: None,
            is_prepared: false,
            busy: None,
            is_probing: false,
            not_before: None,
            next_probe: Duration::ZERO,
            started: Duration::ZERO,
            answers: Answers::default(),
            restarts: Restarts::kept(restarts),
            failures: 0,
            trouble: None,
            is_over: false,
            is_recycled: false,
            is_gone: false,
        }
    }

    /// Whether it was removed, as it should be.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Whether it is known not to run, whatever ended it: also what nobody had asked for, or what ended when it was not wanted any
    /// more, of which no note tells.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        matches!(self.seen, Some(Seen::Missing | Seen::Created | Seen::Exited(_)))
    }

    /// Whether an order is being carried out.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.busy.is_some()
    }

    /// How often it was started again.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts.total()
    }

    /// Its health since the last start.
    #[must_use]
    pub fn health(&self) -> Health {
        self.answers.health()
    }

    /// What keeps it from what it should do.
    #[must_use]
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// What it shall do.
    #[must_use]
    pub fn desired(&self) -> Desired {
        self.desired
    }

    /// The order under way, where nobody wants any more what comes of it: it may be given up, and counts as not carried out.
    #[must_use]
    pub fn in_vain(&self) -> Option<Order> {
        let is_unwanted = self.desired != Desired::Running;
        self.busy.filter(|order| is_unwanted && matches!(order, Order::Prepare | Order::Start))
    }

    /// What it does, in the words of the original.
    #[must_use]
    pub fn status(&self) -> AgentStatus {
        use AgentStatus as A;
        let lasting = self.trouble.as_ref().is_some_and(|trouble| trouble.lasting);
        match (self.desired, self.seen) {
            _ if self.is_gone => A::Terminated,
            (Desired::Deleted, _) => A::Terminating,
            (Desired::Stopped, Some(Seen::Running)) if self.trouble.is_some() => A::ErrorStopping,
            (Desired::Stopped, Some(Seen::Running)) => A::Stopping,
            // What is being started will run for a moment.
            (Desired::Stopped, Some(_)) if self.busy == Some(Order::Start) => A::Stopping,
            (_, None) => A::Unknown,
            (Desired::Stopped, Some(_)) => A::Stopped,
            (Desired::Running, Some(Seen::Running)) => match self.answers.health() {
                Health::Starting => A::Starting,
                Health::Unhealthy => A::Degraded,
                Health::Unchecked | Health::Healthy => A::Started,
            },
            (Desired::Running, Some(_)) if lasting => A::Error,
            (Desired::Running, Some(Seen::Exited(exit))) if self.is_over => {
                if exit.is_failure() {
                    A::Error
                } else {
                    A::Stopped
                }
            }
            (Desired::Running, Some(Seen::Missing)) => A::Deploying,
            (Desired::Running, Some(Seen::Created)) => A::Waiting,
            (Desired::Running, Some(Seen::Exited(_))) => A::Starting,
        }
    }

    /// Takes something in. `now` never goes back; `jitter` is 0 to 1, from chance.
    pub fn step(&mut self, input: Input, now: Duration, jitter: f64) -> Step {
        let mut step = Step::default();
        match input {
            Input::Desire(desired) => self.desire(desired),
            Input::Seen(seen) => self.see(seen, now, jitter, &mut step),
            Input::Done(order, outcome) => self.done(order, outcome, (now, jitter), &mut step),
            Input::Probed(good) => self.probed(good, now, &mut step),
            Input::EngineLost => (self.seen, self.busy, self.is_probing) = (None, None, false),
            Input::EngineBack => {
                self.engine_is_back();
                return step;
            }
            Input::Tick => {}
        }
        self.decide(now, &mut step);
        step
    }

    fn desire(&mut self, desired: Desired) {
        if self.desired == Desired::Deleted || self.desired == desired {
            return;
        }
        self.desired = desired;
        // Whoever wants something else wants it now.
        (self.not_before, self.failures, self.trouble) = (None, 0, None);
        (self.is_over, self.is_recycled) = (false, false);
        self.restarts = Restarts::kept(self.restarts.total());
    }

    fn engine_is_back(&mut self) {
        if self.trouble.as_ref().is_some_and(|trouble| !trouble.lasting) {
            (self.not_before, self.failures, self.trouble) = (None, 0, None);
        }
    }

    fn see(&mut self, seen: Seen, now: Duration, jitter: f64, step: &mut Step) {
        let before = self.seen.replace(seen);
        match seen {
            Seen::Running if before != Some(Seen::Running) => {
                self.started = now;
                self.answers = Answers::at_start(self.check.as_ref());
                self.next_probe = now;
                (self.is_over, self.trouble, self.failures) = (false, None, 0);
                self.is_recycled &= self.busy == Some(Order::Stop);
            }
            // An exit is judged once, and so is one that was not watched.
            Seen::Exited(exit) if !matches!(before, Some(Seen::Exited(_))) => self.ended(exit, now, jitter, step),
            Seen::Missing => {
                self.is_prepared &= before == Some(Seen::Missing);
                let _ = self.recycled(step);
            }
            _ => {}
        }
    }

    /// Whether its end is one for bad health, which is told then.
    fn recycled(&mut self, step: &mut Step) -> bool {
        let is_recycled = self.is_recycled;
        if is_recycled {
            step.notes.push(Note::Recycled);
            // The engine may tell of the end before it answers whom it was told by.
            self.is_recycled = self.busy == Some(Order::Stop);
        }
        is_recycled
    }

    fn ended(&mut self, exit: Exit, now: Duration, jitter: f64, step: &mut Step) {
        self.answers = Answers::default();
        if self.desired != Desired::Running {
            return;
        }
        let recycled = self.recycled(step);
        if !recycled {
            step.notes.push(Note::Exited(exit));
        }
        let again = match self.policy.when {
            _ if exit.interrupted => return,
            RestartWhen::Never => false,
            RestartWhen::OnFailure => recycled || exit.is_failure(),
            RestartWhen::Always => true,
        };
        if again {
            self.again((!recycled).then_some(exit), (now, jitter), step);
        } else {
            self.is_over = true;
            if !exit.is_failure() {
                step.notes.push(Note::Finished);
            }
        }
    }

    /// One more start, if there were not too many; `exit` is how it ended by itself.
    fn again(&mut self, exit: Option<Exit>, (now, jitter): (Duration, f64), step: &mut Step) {
        if let Some(pause) = self.restarts.next(&self.policy, now, jitter) {
            self.not_before = Some(now + pause);
            step.notes.push(Note::Restarting(pause));
            return;
        }
        let (attempts, window) = (self.policy.attempts, self.policy.window.as_secs());
        self.is_over = true;
        let last = exit.map_or_else(String::new, |exit| format!("; the last time {exit}"));
        let reason = format!("it failed {attempts} times within {window} seconds, and is not started again{last}");
        self.trouble = Some(Trouble { reason, lasting: true });
        step.notes.push(Note::GivenUp(attempts));
    }

    fn done(&mut self, order: Order, outcome: Result<(), Trouble>, (now, jitter): (Duration, f64), step: &mut Step) {
        // The outcome of what was given up with the engine.
        if self.busy != Some(order) {
            return;
        }
        self.busy = None;
        match outcome {
            Ok(()) => {
                if order != Order::Inspect {
                    (self.failures, self.trouble) = (0, None);
                }
                self.carried_out(order, now, step);
            }
            // Somebody else has told meanwhile.
            Err(_) if order == Order::Inspect && self.seen.is_some() => {}
            Err(trouble) => {
                // What was asked for may have happened all the same.
                if !matches!(order, Order::Inspect | Order::Prepare) {
                    self.seen = None;
                }
                let makes_it_run = matches!(order, Order::Prepare | Order::Create | Order::Start);
                if makes_it_run && self.desired != Desired::Running {
                    // Nobody wants any more what could not be done.
                    return;
                }
                step.notes.push(Note::Troubled(order, trouble.clone()));
                let pause = RETRY_DELAY.saturating_mul(1 << self.failures.min(16)).min(MAX_RETRY_DELAY);
                self.failures = self.failures.saturating_add(1);
                let is_given_up = trouble.lasting && self.desired == Desired::Running;
                self.trouble = Some(trouble);
                if is_given_up {
                    self.is_over = true;
                }
                self.not_before = Some(now + pause + pause.mul_f64(jitter.clamp(0.0, 1.0) / 4.0));
            }
        }
    }

    fn carried_out(&mut self, order: Order, now: Duration, step: &mut Step) {
        match order {
            Order::Inspect => {}
            Order::Prepare => self.is_prepared = true,
            Order::Create => {
                step.notes.push(Note::Created);
                self.seen = Some(Seen::Created);
            }
            Order::Start => {
                step.notes.push(Note::Started);
                self.see(Seen::Running, now, 0.0, step);
            }
            Order::Stop => {
                if !self.is_recycled {
                    step.notes.push(Note::Stopped);
                }
                if matches!(self.seen, Some(Seen::Exited(_) | Seen::Missing)) {
                    // The engine has told already how it ended, and that is judged once.
                    self.is_recycled = false;
                } else {
                    // How it ended is looked at before anything else.
                    self.seen = None;
                }
            }
            Order::Remove => {
                step.notes.push(Note::Removed);
                self.seen = Some(Seen::Missing);
            }
        }
    }

    fn probed(&mut self, good: bool, now: Duration, step: &mut Step) {
        let was_asked = std::mem::take(&mut self.is_probing);
        let Some(check) = self.check.as_ref().filter(|_| was_asked && self.seen == Some(Seen::Running)) else { return };
        let before = self.answers.health();
        let health = self.answers.take(check, good, now.saturating_sub(self.started));
        self.next_probe = now + check.interval;
        if before != health {
            match health {
                Health::Healthy => step.notes.push(Note::Healthy),
                Health::Unhealthy => step.notes.push(Note::Unhealthy),
                Health::Unchecked | Health::Starting => {}
            }
        }
    }

    fn decide(&mut self, now: Duration, step: &mut Step) {
        if self.busy.is_some() || self.is_gone {
            return;
        }
        if let Some(at) = self.not_before.filter(|at| *at > now) {
            step.wake = Some(at);
            return;
        }
        self.not_before = None;
        let order = match (self.desired, self.seen) {
            (_, None) => Some(Order::Inspect),
            (Desired::Running, Some(Seen::Running)) => self.look_after(now, step),
            (Desired::Running, _) if self.is_over => None,
            (Desired::Running, Some(Seen::Missing)) if !self.is_prepared => Some(Order::Prepare),
            (Desired::Running, Some(Seen::Missing)) => Some(Order::Create),
            (Desired::Running, Some(Seen::Created | Seen::Exited(_))) => Some(Order::Start),
            (Desired::Stopped | Desired::Deleted, Some(Seen::Running)) => Some(Order::Stop),
            (Desired::Stopped, _) => None,
            (Desired::Deleted, Some(Seen::Missing)) => {
                self.is_gone = true;
                None
            }
            (Desired::Deleted, Some(_)) => Some(Order::Remove),
        };
        self.busy = order;
        step.order = order;
    }

    /// It runs as it should: whether it also works.
    fn look_after(&mut self, now: Duration, step: &mut Step) -> Option<Order> {
        let check = self.check.as_ref()?;
        // What is never started again is not stopped either: an end would be worse than bad health.
        let may_restart = check.restart && self.policy.when != RestartWhen::Never;
        if may_restart && self.answers.health() == Health::Unhealthy {
            self.is_recycled = true;
            return Some(Order::Stop);
        }
        if !self.is_probing {
            if self.next_probe <= now {
                (self.is_probing, step.probe) = (true, true);
            } else {
                step.wake = Some(self.next_probe);
            }
        }
        None
    }
}

#[cfg(test)]
#[path = "supervisor_tests.rs"]
mod tests;
