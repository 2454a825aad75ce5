//! A `service-operation-report` of either generation.

use std::borrow::Cow;
use std::fmt;

use mf2c_domain::time::Timestamp;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::loose::{Loose, Name};
use crate::expression::TimeUnit;

/// How far the computed end may lie from the making of the document and still be that.
const SAME: i128 = 5_000_000_000;
/// Results that tell of success, in small letters. Whatever else stands in `result` is an error; empty is none.
const SUCCESSES: [&str; 8] = ["", "ok", "success", "successful", "succeeded", "completed", "done", "true"];

/// One finished operation of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Report<'a> {
    /// Its id: `service-operation-report/...`.
    pub id: &'a str,
    /// The service instance's id.
    pub instance: Cow<'a, str>,
    /// What was done.
    pub operation: Cow<'a, str>,
    /// How long it took, in the unit that the client uses.
    pub execution_time: f64,
    /// What came of it, as the client wrote it.
    pub result: Cow<'a, str>,
    /// When it ended by the clock of where it ran: `end_time`, else `start_time` and the length. Part of the violation's key.
    pub finished: Timestamp,
    /// When the document was made.
    pub created: Option<Timestamp>,
    /// When its present content was stored: the arrival.
    pub received: Option<Timestamp>,
    /// The other numbers in it, by their names.
    pub metrics: Vec<(Cow<'a, str>, f64)>,
}

impl<'a> Report<'a> {
    /// Reads a report whose times are in seconds. None if it is no report, or of an operation that still runs (its length is 0). A
    /// length below 0 is one that nobody can have measured: such a report is passed over, too.
    #[must_use]
    pub fn read(id: &'a str, body: &'a [u8]) -> Option<Self> {
        Self::read_in(id, body, TimeUnit::Seconds)
    }

    /// As [`Report::read`], with `execution_length` in `unit`.
    #[must_use]
    pub fn read_in(id: &'a str, body: &'a [u8], unit: TimeUnit) -> Option<Self> {
        let parts: Parts<'a> = serde_json::from_slice(body).ok()?;
        let execution_time = parts.length.filter(|length| *length > 0.0 && length.is_finite())?;
        let received = parts.updated.or(parts.created);
        // What becomes of the document later must not move the end: it is part of the violation's key.
        let made = parts.created.or(parts.updated);
        let finished = parts.end.or_else(|| ended(parts.start?, execution_time, unit, made)).or(made)?;
        Some(Self {
            id,
            instance: parts.instance?,
            operation: parts.operation.unwrap_or_default(),
            execution_time,
            result: parts.result,
            finished,
            created: parts.created,
            received,
            metrics: parts.metrics,
        })
    }

    /// Whether the operation failed, by its result.
    #[must_use]
    pub fn failed(&self) -> bool {
        !SUCCESSES.iter().any(|success| self.result.trim().eq_ignore_ascii_case(success))
    }

    /// The number of this name; `execution_time` and `error` (1 for a failed operation, whatever else a client calls so) are among
    /// them.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<f64> {
        match name {
            "execution_time" => Some(self.execution_time),
            "error" => Some(f64::from(u8::from(self.failed()))),
            _ => self.metrics.iter().find(|(known, _)| known == name).map(|(_, number)| *number),
        }
    }
}

/// The end of an operation. A start that this program made up is the time at which the document was made, less the length in seconds,
/// whatever the unit.
fn ended(start: Timestamp, length: f64, unit: TimeUnit, made: Option<Timestamp>) -> Option<Timestamp> {
    let after = |seconds: f64| Timestamp::from_nanos(start.nanos().saturating_add((seconds * 1e9) as i128));
    match unit {
        TimeUnit::Seconds => Some(after(length)),
        TimeUnit::Milliseconds => {
            let (made_up, made) = (after(length).nanos(), made?.nanos());
            Some(if made_up.abs_diff(made) <= SAME.unsigned_abs() { after(length) } else { after(length / 1000.0) })
        }
    }
}

#[derive(Default)]
struct Parts<'a> {
    instance: Option<Cow<'a, str>>,
    operation: Option<Cow<'a, str>>,
    length: Option<f64>,
    result: Cow<'a, str>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    created: Option<Timestamp>,
    updated: Option<Timestamp>,
    metrics: Vec<(Cow<'a, str>, f64)>,
}

impl<'a> Parts<'a> {
    /// Documents carry values under the names of both generations; the newer one is the one that is kept up to date.
    fn take(&mut self, name: Cow<'a, str>, value: Loose<'a>) {
        match name.as_ref() {
            "requesting_application_id" => self.instance = value.into_text().or(self.instance.take()),
            "serviceInstance" if self.instance.is_none() => self.instance = value.into_text(),
            "operation_name" => self.operation = value.into_text().or(self.operation.take()),
            "operation" if self.operation.is_none() => self.operation = value.into_text(),
            "execution_length" => self.length = value.number().or(self.length),
            "execution_time" if self.length.is_none() => self.length = value.number(),
            "result" => self.result = value.into_text().unwrap_or_default(),
            "start_time" => self.start = value.time(),
            "end_time" => self.end = value.time(),
            "created" => self.created = value.time(),
            "updated" => self.updated = value.time(),
            "execution_time" | "serviceInstance" | "operation" => {}
            "metrics" => {
                if let Loose::Object { numbers, .. } = value {
                    self.metrics.extend(numbers);
                }
            }
            _ => self.metrics.extend(value.number().map(|number| (name, number))),
        }
    }
}

impl<'de> Deserialize<'de> for Parts<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PartsVisitor;
        impl<'de> Visitor<'de> for PartsVisitor {
            type Value = Parts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a report")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut parts = Parts::default();
                while let Some(name) = members.next_key::<Name<'de>>()? {
                    let value = members.next_value()?;
                    parts.take(name.0, value);
                }
                Ok(parts)
            }
        }
        deserializer.deserialize_map(PartsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_generations_of_report_say_the_same() {
        let old = br#"{"serviceInstance":{"href":"service-instance/1"},"operation":"op","execution_time":50.0,
            "start_time":"2026-01-01T00:00:00Z","created":"2026-01-01T00:00:50Z"}"#;
        let new =
            br#"{"requesting_application_id":{"href":"service-instance/1"},"operation_name":"op","execution_length":50,
            "start_time":"2026-01-01T00:00:00Z","created":"2026-01-01T00:00:50Z","result":"","compute_node_id":"x"}"#;
        let (old, new) = (Report::read("r", old).unwrap(), Report::read("r", new).unwrap());
        assert_eq!(old, new);
        assert_eq!(
            (old.instance.as_ref(), old.finished.to_string().as_str()),
            ("service-instance/1", "2026-01-01T00:00:50.000Z")
        );
    }

    #[test]
    fn every_number_of_a_report_is_a_metric_and_a_failure_is_an_error() {
        let body = br#"{"serviceInstance":"service-instance/1","operation":"op","execution_time":1,"created":"2026-01-01T00:00:50Z",
            "response_time":7,"metrics":{"queue":3.5},"result":"timeout","tags":["a"],"nested":{"deep":1}}"#;
        let report = Report::read("r", body).unwrap();
        let metric = |name| report.metric(name);
        assert_eq!((metric("response_time"), metric("queue"), metric("error")), (Some(7.0), Some(3.5), Some(1.0)));
        assert_eq!((metric("execution_time"), metric("deep"), metric("start_time")), (Some(1.0), None, None));
    }

    #[test]
    fn whether_an_operation_failed_is_for_its_result_to_say() {
        let body =
            br#"{"serviceInstance":"i","execution_time":1,"created":"2026-01-01T00:00:50Z","metrics":{"error":0.5}}"#;
        assert_eq!(Report::read("r", body).unwrap().metric("error"), Some(0.0));
    }

    #[test]
    fn an_edit_moves_the_end_in_neither_unit() {
        let body = |start: &str, updated: &str| {
            format!(
                r#"{{"serviceInstance":"i","execution_time":1500,{start}"created":"2026-01-01T01:00:00Z","updated":"2026-01-01T01:{updated}Z"}}"#
            )
        };
        for unit in [TimeUnit::Milliseconds, TimeUnit::Seconds] {
            for start in ["", r#""start_time":"2026-01-01T00:35:00Z","#, r#""start_time":"2026-01-01T00:59:58Z","#] {
                let end = |updated: &str| Report::read_in("r", body(start, updated).as_bytes(), unit).unwrap().finished;
                assert_eq!(end("00:00"), end("00:07"), "{unit:?} {start}");
                assert_eq!(end("00:00"), end("30:00"), "{unit:?} {start}");
            }
        }
    }

    #[test]
    fn an_operation_that_runs_and_what_is_no_report_are_none() {
        for body in [
            r#"{"serviceInstance":{"href":"service-instance/1"},"operation":"op","execution_time":0,"created":"2026-01-01T00:00:50Z"}"#,
            r#"{"serviceInstance":{"href":"service-instance/1"},"operation":"op","execution_time":-1,"created":"2026-01-01T00:00:50Z"}"#,
            r#"{"operation":"op","execution_time":1,"created":"2026-01-01T00:00:50Z"}"#,
            r#"{"serviceInstance":{"href":"service-instance/1"},"execution_time":"1"}"#,
            "[]",
            "{",
            "",
        ] {
            assert_eq!(Report::read("r", body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn milliseconds_end_where_they_end_and_a_made_up_start_leads_to_the_arrival() {
        let body = |start: &str| {
            format!(
                r#"{{"serviceInstance":"i","execution_time":1500,"start_time":"{start}","updated":"2026-01-01T01:00:00Z"}}"#
            )
        };
        let end =
            |start| Report::read_in("r", body(start).as_bytes(), TimeUnit::Milliseconds).unwrap().finished.to_string();
        assert_eq!(end("2026-01-01T00:59:58Z"), "2026-01-01T00:59:59.500Z");
        assert_eq!(end("2026-01-01T00:35:00Z"), "2026-01-01T01:00:00.000Z");
    }
}
