//! What a compose file asks for, once it is understood.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::spec::{Device, HealthCheck, Port, Volume};

/// An application of several parts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Application {
    /// Its parts, by the name that the file gives them.
    pub parts: BTreeMap<String, AppPart>,
    /// Networks: the name that the file gives them, and for one that is not the application's own, the engine's name.
    pub networks: BTreeMap<String, Option<String>>,
}

/// One part: what will be a container.
#[derive(Debug, Clone, PartialEq)]
pub struct AppPart {
    /// The image.
    pub image: String,
    /// Replaces the entry point of the image.
    pub entrypoint: Option<Vec<String>>,
    /// Replaces the arguments of the image.
    pub command: Vec<String>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// Variables that it wants of the workload's secrets.
    pub secrets: Vec<String>,
    /// Ports.
    pub ports: Vec<Port>,
    /// Volumes.
    pub volumes: Vec<Volume>,
    /// Networks, with other names that it has there. Without any it is in the default one.
    pub networks: BTreeMap<String, Vec<String>>,
    /// Parts that must be there before it.
    pub depends_on: BTreeMap<String, Condition>,
    /// Labels of its own.
    pub labels: BTreeMap<String, String>,
    /// Devices.
    pub devices: Vec<Device>,
    /// The check that the engine does.
    pub health: Option<HealthCheck>,
    /// Where it starts.
    pub working_dir: Option<String>,
    /// Whom it runs as.
    pub user: Option<String>,
    /// When its author would have it started again. Who does that is the reconciler.
    pub restart: RestartHint,
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Processors.
    pub cpus: Option<f64>,
    /// Processes.
    pub pids: Option<u32>,
}

/// What must be true of a part before another one starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It was started.
    Started,
    /// Its health check succeeds.
    Healthy,
}

/// When the author of a compose file would have a part started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestartHint {
    /// Never, or nothing is said.
    #[default]
    No,
    /// When it failed; at most so often, if that is said.
    OnFailure(Option<u32>),
    /// Whenever it ends, unless it was stopped.
    Always,
}

/// Everything that is wrong with a compose file, each with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposeError(pub Vec<String>);

/// More of what is wrong is not told at once.
pub(crate) const MOST_PROBLEMS: usize = 100;

impl fmt::Display for ComposeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the compose file cannot be used: ")?;
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for ComposeError {}

impl Application {
    /// The parts in the order in which they start: each after those that it depends on, equal ones by name.
    ///
    /// # Errors
    /// The parts of a circle, if there is one.
    pub fn order(&self) -> Result<Vec<&str>, ComposeError> {
        let needs =
            self.parts.iter().map(|(name, part)| (name.as_str(), part.depends_on.keys().map(String::as_str).collect()));
        order(needs.collect())
            .map_err(|circle| ComposeError(vec![format!("{} depend on each other", circle.join(", "))]))
    }
}

/// Names in the order of what they need; the rest, if that goes in a circle. What is not there is not waited for.
pub(crate) fn order<'a>(needs: BTreeMap<&'a str, Vec<&'a str>>) -> Result<Vec<&'a str>, Vec<&'a str>> {
    let mut left = needs;
    let mut order: Vec<&str> = vec![];
    while !left.is_empty() {
        let free = left.iter().find(|(_, needs)| !needs.iter().any(|need| left.contains_key(need)));
        let Some(name) = free.map(|(name, _)| *name) else { return Err(left.into_keys().collect()) };
        left.remove(name);
        order.push(name);
    }
    Ok(order)
}

/// A span of time as compose files write it: `1m30s`, `500ms`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut sum = Duration::ZERO;
    let units = [("ms", 0.001), ("us", 0.000_001), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let (unit, seconds) = units.iter().find(|(unit, _)| rest[end..].starts_with(unit))?;
        sum = sum.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = &rest[end + unit.len()..];
    }
    Some(sum)
}

/// A number of bytes as compose files write it: `64m`, `1gb`, `512`.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let factor = match text[end..].trim() {
        "" | "b" => 1_u64,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => return None,
    };
    let product = number * factor as f64;
    (product.is_finite() && product < 1e18).then_some(product as u64)
}

/// The words of a command line, parted as a shell would part them; nothing else of a shell is done. None for a quote
/// without an end.
pub(crate) fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (vec![], None::<String>, None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().push(letters.next()?),
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sizes_and_words_are_read_as_compose_writes_them() {
        assert_eq!(duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("1.5h"), Some(Duration::from_secs(5400)));
        for bad in ["", "10", "s", "1x", "-1s", "1s2", "999999999999999999999999h"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
        assert_eq!(bytes("64m"), Some(64 << 20));
        assert_eq!((bytes("1GB"), bytes("512"), bytes("1.5k")), (Some(1 << 30), Some(512), Some(1536)));
        for bad in ["", "m", "1x", "-1m", "1e400g"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
        let parted = words(r#"/w --a "b c" 'd "e' f\ g "" $(h)"#).unwrap();
        assert_eq!(parted, ["/w", "--a", "b c", "d \"e", "f g", "", "$(h)"]);
        assert_eq!((words("a 'b"), words("a \\")), (None, None));
    }

    #[test]
    fn what_is_needed_comes_first_and_a_circle_is_named() {
        let needs = BTreeMap::from([("a", vec!["c"]), ("b", vec!["a"]), ("c", vec!["gone"]), ("d", vec![])]);
        assert_eq!(order(needs), Ok(vec!["c", "a", "b", "d"]));
        let needs = BTreeMap::from([("a", vec!["b"]), ("b", vec!["a"]), ("c", vec![])]);
        assert_eq!(order(needs), Err(vec!["a", "b"]));
    }
}
