//! What becomes of an experiment that is realized: a state machine over what is stored and what is seen. It decides; who
//! carries it out writes down the record first, so that everything can be repeated after a crash.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::plan::Planned;
use super::state::{Container, State};
use crate::time::Timestamp;

/// The most lines of a log.
const MAX_LINES: usize = 300;
/// The longest line, in characters.
const MAX_LINE: usize = 600;
/// What a client is told where nothing fits.
pub const INSUFFICIENT: &str = "Insufficient Resources";

/// One attempt to realize an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Realization {
    /// Distinguishes it from all others: what it makes is named after it.
    pub key: String,
    /// Who has asked for it; what runs is his.
    pub by: String,
    /// The project under which it runs, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// How far it is.
    pub phase: Phase,
    /// Who is told when the present phase is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<String>,
    /// When the present phase began.
    pub since: String,
    /// What runs, or shall.
    pub elements: Vec<Element>,
    /// Services of earlier attempts that are still to be removed.
    #[serde(default)]
    pub leftovers: Vec<String>,
    /// What happened, the oldest first.
    #[serde(default)]
    pub log: Vec<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Failure>,
}

/// How far a realization is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Elements are started, one after the other.
    Launching,
    /// All have run.
    Active,
    /// All are being removed, because somebody wants it.
    Releasing,
    /// All are being removed, because one cannot be had.
    Failing,
    /// Nothing is left.
    Ended,
}

/// One element of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Element {
    /// What it is called within the experiment.
    pub name: String,
    /// The body of its service.
    pub spec: Map<String, Value>,
    /// The id of its service.
    pub service: String,
    /// The id of its instance, once it was launched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The devices that may run it; all where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<String>>,
}

/// Why a realization failed: the code of a fault, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// As faults have it: 1 access, 2 request, 3 internal.
    pub code: u32,
    /// What was wrong.
    pub text: String,
}

/// What is seen of an element: whether its service is stored, and how its instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Whether the service is there.
    pub service: bool,
    /// How the instance is; [`Container::None`] where there is none.
    pub container: Container,
    /// Whether it should run and does not.
    pub failed: bool,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Store the service of this element.
    Store(usize),
    /// Launch this element.
    Launch(usize),
    /// Delete the instance of this element.
    Delete(usize),
    /// Delete this service.
    Drop(String),
    /// Write down that the phase is over: everything is as it was wanted.
    Finish,
    /// Write down that it cannot be had.
    Fail(Failure),
    /// Wait for something to change.
    Wait,
    /// Nothing, until somebody wants something.
    Rest,
}

/// Who wants a realization, and how.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// See [`Realization::key`]; nobody must be able to guess it.
    pub key: String,
    /// See [`Realization::by`].
    pub by: String,
    /// See [`Realization::project`].
    pub project: Option<String>,
    /// Whether he is told when it is done.
    pub notify: bool,
}

impl Realization {
    /// A new one, of what was planned, each with the devices that may run it. `leftovers` are services of the one before.
    #[must_use]
    pub fn begin(
        wish: Wish,
        planned: Vec<(Planned, Option<Vec<String>>)>,
        leftovers: Vec<String>,
        now: Timestamp,
    ) -> Self {
        let Wish { key, by, project, notify } = wish;
        let element = |(index, (planned, devices)): (usize, (Planned, Option<Vec<String>>))| Element {
            name: planned.name,
            spec: planned.service,
            service: format!("service/{key}-{index}"),
            instance: None,
            devices,
        };
        let elements: Vec<Element> = planned.into_iter().enumerate().map(element).collect();
        let notify = notify.then(|| by.clone());
        let mut new = Self {
            phase: Phase::Launching,
            since: now.to_string(),
            log: Vec::new(),
            fault: None,
            key,
            by,
            project,
            notify,
            elements,
            leftovers,
        };
        let text = format!("{} asks for {} elements", new.by, new.elements.len());
        new.note(now, &text);
        new
    }

    /// The key by which the launch of an element is the same however often it is repeated.
    #[must_use]
    pub fn launch_key(&self, index: usize) -> String {
        format!("experiment-{}-{index}", self.key)
    }

    /// Writes a line into the log. Of too many, those in the middle are the least telling: the first half stays.
    pub fn note(&mut self, now: Timestamp, text: &str) {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_LINE).collect();
        if self.log.len() >= MAX_LINES {
            self.log.remove(MAX_LINES / 2);
        }
        self.log.push(format!("{now} {text}"));
    }

    /// Takes up instances that were launched, by their services, where the record of the launch was lost. Whether anything is
    /// new.
    pub fn adopt(&mut self, instance_of: impl Fn(&str) -> Option<String>) -> bool {
        let mut is_new = false;
        for element in self.elements.iter_mut().filter(|element| element.instance.is_none()) {
            element.instance = instance_of(&element.service);
            is_new |= element.instance.is_some();
        }
        is_new
    }

    /// What is to be done, by what is seen of each element.
    #[must_use]
    pub fn next(&self, seen: &[Seen]) -> Step {
        if let Some(old) = self.leftovers.first() {
            return Step::Drop(old.clone());
        }
        match self.phase {
            Phase::Launching => self.next_of_launching(seen),
            Phase::Releasing | Phase::Failing => self.next_of_removing(seen),
            Phase::Active | Phase::Ended => Step::Rest,
        }
    }

    fn next_of_launching(&self, seen: &[Seen]) -> Step {
        for (index, (element, seen)) in self.elements.iter().zip(seen).enumerate() {
            let failure = |text: String| Step::Fail(Failure { code: 3, text });
            match &element.instance {
                None if !seen.service => return Step::Store(index),
                None => return Step::Launch(index),
                Some(_) if seen.container == Container::None => {
                    return failure(format!("{} was removed while the experiment was realized", element.name));
                }
                Some(_) if seen.failed => return failure(format!("{} does not run", element.name)),
                Some(_) => {}
            }
        }
        let is_ready = |seen: &Seen| matches!(seen.container, Container::Up | Container::Down);
        if seen.iter().all(is_ready) { Step::Finish } else { Step::Wait }
    }

    fn next_of_removing(&self, seen: &[Seen]) -> Step {
        for (index, seen) in seen.iter().enumerate() {
            if !matches!(seen.container, Container::None | Container::Pinned) {
                return Step::Delete(index);
            }
        }
        if seen.iter().any(|seen| seen.container != Container::None) {
            return Step::Wait;
        }
        let left = self.elements.iter().zip(seen).find(|(_, seen)| seen.service);
        left.map_or(Step::Finish, |(element, _)| Step::Drop(element.service.clone()))
    }

    /// The phase is over. Who is told of it, if anybody.
    pub fn finish(&mut self, now: Timestamp) -> Option<String> {
        let (phase, text) = match self.phase {
            Phase::Launching => (Phase::Active, "the experiment is realized"),
            Phase::Releasing => (Phase::Ended, "the experiment is released"),
            Phase::Failing => (Phase::Ended, "what had been started is removed"),
            phase @ (Phase::Active | Phase::Ended) => (phase, "nothing was to be done"),
        };
        (self.phase, self.since) = (phase, now.to_string());
        self.note(now, text);
        self.notify.take()
    }

    /// It cannot be had: what was started is removed.
    pub fn fail(&mut self, failure: Failure, now: Timestamp) {
        self.note(now, &failure.text);
        (self.phase, self.since) = (Phase::Failing, now.to_string());
        self.fault = Some(failure);
    }

    /// Somebody wants it to end; whether he is told when it has.
    pub fn release(&mut self, by: &str, notify: bool, now: Timestamp) {
        self.note(now, &format!("{by} releases the experiment"));
        (self.phase, self.since) = (Phase::Releasing, now.to_string());
        self.notify = notify.then(|| by.to_owned());
    }

    /// Whether somebody has to look after it now.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        !self.leftovers.is_empty() || matches!(self.phase, Phase::Launching | Phase::Releasing | Phase::Failing)
    }

    /// How the experiment is, and a sentence about it, by what is seen of each element.
    #[must_use]
    pub fn state(&self, seen: &[Seen]) -> (State, String) {
        let count = |wanted: Container| seen.iter().filter(|seen| seen.container == wanted).count();
        let (all, up, gone) = (self.elements.len(), count(Container::Up), count(Container::None));
        let busy = count(Container::Pinned) + count(Container::Configured);
        let numbers = format!("{up} of {all} containers are up");
        match self.phase {
            Phase::Launching => (State::Changing, format!("realizing: {numbers}")),
            Phase::Releasing => (State::Changing, format!("releasing: {} of {all} containers are left", all - gone)),
            Phase::Failing => (State::Changing, "failed: what had been started is being removed".to_owned()),
            Phase::Ended => match &self.fault {
                Some(failure) => (State::Unrealized, format!("failed: {}", failure.text)),
                None => (State::Unrealized, "released".to_owned()),
            },
            Phase::Active if gone == all => {
                (State::Unrealized, format!("all {all} containers were removed by other ways than this"))
            }
            Phase::Active if busy > 0 => (State::Pinned, format!("{numbers}; {busy} are being changed")),
            Phase::Active if gone > 0 => {
                (State::Realized, format!("{numbers}; {gone} were removed by other ways than this"))
            }
            Phase::Active => (State::Realized, numbers),
        }
    }

    /// Its status in the words of the third generation.
    #[must_use]
    pub fn status(&self, seen: &[Seen]) -> &'static str {
        match self.phase {
            Phase::Launching if self.elements.iter().all(|element| element.instance.is_none()) => "Allocated",
            Phase::Launching => "Initializing",
            Phase::Active if seen.iter().all(|seen| seen.container == Container::None) => "Empty",
            Phase::Active => "Active",
            Phase::Releasing | Phase::Failing => "Releasing",
            Phase::Ended => "Empty",
        }
    }

    /// The services that are there as long as nobody has removed them.
    #[must_use]
    pub fn services(&self) -> Vec<String> {
        self.elements.iter().map(|element| element.service.clone()).chain(self.leftovers.iter().cloned()).collect()
    }
}

#[cfg(test)]
#[path = "realization_tests.rs"]
mod tests;
