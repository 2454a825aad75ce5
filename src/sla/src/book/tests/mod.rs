//! What is promised of assessments: the vectors of `spec/sla.md` 7.2, what goes beyond them, and laws.

mod beyond;
mod clocks;
mod laws;
mod memory;
mod restart;
mod time;
mod vectors;

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::Expressions;
use crate::finding::{Episode, Violation};
use crate::window::instant;

/// Times in tests are seconds since this instant, at which agreements are made.
const START: i64 = 1_800_000_000_000;

fn at(seconds: f64) -> Timestamp {
    instant(START + (seconds * 1000.0) as i64)
}

/// An agreement with its book.
struct Desk {
    agreement: Agreement,
    book: Book,
    shared: Expressions,
    document: Value,
    found: Vec<Finding>,
    reports: u32,
}

/// The document of a started agreement with these guarantees.
fn document(guarantees: Value) -> Value {
    json!({
        "name": "*", "state": "started",
        "details": {
            "id": "a", "type": "agreement", "name": "*", "creation": at(0.0).to_string(),
            "provider": {"id": "p", "name": "P"}, "client": {"id": "c", "name": "C"}, "guarantees": guarantees,
        },
    })
}

fn guarantee(name: &str, constraint: &str) -> Value {
    json!({"name": name, "constraint": constraint})
}

impl Desk {
    fn open(document: Value) -> Self {
        let mut shared = Expressions::default();
        let agreement = Agreement::read("agreement/1", document.to_string().as_bytes(), &mut shared).unwrap();
        let book = Book::open(&agreement, at(0.0));
        Self { agreement, book, shared, document, found: vec![], reports: 0 }
    }

    /// One guarantee about all operations.
    fn of(constraint: &str) -> Self {
        Self::open(document(json!([guarantee("*", constraint)])))
    }

    fn edit(&mut self, time: f64, change: impl FnOnce(&mut Value)) {
        change(&mut self.document);
        let after = Agreement::read("agreement/1", self.document.to_string().as_bytes(), &mut self.shared).unwrap();
        self.book.follow(&self.agreement, &after, at(time), &mut self.found);
        self.agreement = after;
    }

    /// Delivers a report document and gives back the violations that follow.
    fn deliver(&mut self, id: &str, body: &Value, now: f64) -> Vec<Violation> {
        let text = body.to_string();
        let before = self.found.len();
        if let Some(report) = Report::read(id, text.as_bytes()) {
            self.book.report(&self.agreement, &report, at(now), &mut self.found);
        }
        violations(&self.found[before..])
    }

    /// A new report of an operation that ended at a time and was heard of then.
    fn report(&mut self, operation: &str, end: f64, execution_time: f64) -> Vec<Violation> {
        self.reports += 1;
        let id = format!("service-operation-report/{}", self.reports);
        self.deliver(&id, &report(operation, end, execution_time), end)
    }

    /// A new report of one metric beside the time.
    fn metrics(&mut self, end: f64, metrics: Value) -> Vec<Violation> {
        self.reports += 1;
        let mut body = report("op", end, 1.0);
        body["metrics"] = metrics;
        self.deliver(&format!("service-operation-report/{}", self.reports), &body, end)
    }

    fn tick(&mut self, now: f64) -> Vec<Violation> {
        let before = self.found.len();
        self.book.tick(&self.agreement, at(now), &mut self.found);
        violations(&self.found[before..])
    }

    /// Ticks whenever it is due, until a time.
    fn tick_until(&mut self, end: f64) -> Vec<Violation> {
        let before = self.found.len();
        let mut last = None;
        while let Some(due) = self.book.due(&self.agreement).filter(|due| *due <= at(end)) {
            assert!(Some(due) > last, "it is due again at {due}, and nothing has changed");
            last = Some(due);
            self.book.tick(&self.agreement, due, &mut self.found);
        }
        violations(&self.found[before..])
    }

    fn assessed(&self, guarantee: &str) -> Value {
        let assessment = self.book.assessment(&self.agreement).unwrap();
        assessment["guarantees"][guarantee].clone()
    }

    fn state(&self) -> String {
        self.assessed("*")["state"].as_str().unwrap().to_owned()
    }

    fn episodes(&self) -> Vec<(&'static str, Episode)> {
        let told = self.found.iter().filter_map(|finding| match finding {
            Finding::EpisodeOpened(episode) => Some(("opened", episode.clone())),
            Finding::EpisodeChanged(episode) => Some(("changed", episode.clone())),
            Finding::EpisodeEnded(episode) => Some(("ended", episode.clone())),
            _ => None,
        });
        told.collect()
    }
}

fn report(operation: &str, end: f64, execution_time: f64) -> Value {
    let start = instant(START + ((end - execution_time) * 1000.0) as i64);
    json!({
        "requesting_application_id": {"href": "service-instance/1"}, "operation_name": operation, "execution_length": execution_time,
        "start_time": start.to_string(), "created": at(end).to_string(), "updated": at(end).to_string(), "result": "",
    })
}

fn violations(found: &[Finding]) -> Vec<Violation> {
    let violations = found.iter().filter_map(|finding| match finding {
        Finding::Violation(violation) => Some(violation.clone()),
        _ => None,
    });
    violations.collect()
}

/// The first value of each violation.
fn values(violations: &[Violation]) -> Vec<f64> {
    violations.iter().map(|violation| violation.values[0].1).collect()
}
