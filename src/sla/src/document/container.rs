//! A `service-container-metric`.

use mf2c_domain::time::Timestamp;
use serde::Deserialize;

use super::Loose;

/// One time that a container ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerMetric {
    /// Its id.
    pub id: String,
    /// The device's id.
    pub device: String,
    /// The container.
    pub container: String,
    /// When it started.
    pub start: Timestamp,
    /// When it stopped; none while it runs.
    pub stop: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow, default)]
    device_id: Option<Loose<'a>>,
    #[serde(borrow, default)]
    container_id: Option<Loose<'a>>,
    #[serde(borrow, default)]
    start_time: Option<Loose<'a>>,
    #[serde(borrow, default)]
    stop_time: Option<Loose<'a>>,
}

impl ContainerMetric {
    /// Reads a metric; none if it names no container or no start.
    #[must_use]
    pub fn read(id: &str, body: &[u8]) -> Option<Self> {
        let shape: Shape<'_> = serde_json::from_slice(body).ok()?;
        Some(Self {
            id: id.to_owned(),
            device: shape.device_id.and_then(Loose::into_text).unwrap_or_default().into_owned(),
            container: shape.container_id.and_then(Loose::into_text)?.into_owned(),
            start: shape.start_time?.time()?,
            stop: shape.stop_time.and_then(|time| time.time()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_without_an_end_goes_on() {
        let body = br#"{"device_id":{"href":"device/1"},"container_id":"c","start_time":"2026-01-01T00:00:00Z"}"#;
        let metric = ContainerMetric::read("m", body).unwrap();
        assert_eq!((metric.device.as_str(), metric.container.as_str(), metric.stop), ("device/1", "c", None));
        assert_eq!(ContainerMetric::read("m", br#"{"container_id":"c"}"#), None);
    }
}
