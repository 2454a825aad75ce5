//! What a message costs of the credit. Both ends reckon alike; it is near the bytes on the wire without writing it first.

use serde_json::Value;

use super::words::{Batch, Content, Copy, Part, Piece, Repair, Word};

/// Changes and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Changes, but at least one a message.
    pub changes: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The frame and the names in it.
const FRAME: u64 = 40;
/// A change besides its id and content.
const CHANGE: u64 = 14;

fn of_word(word: &Word) -> u64 {
    match word {
        Word::Known(_) => 3,
        Word::New(text) => 2 + text.len() as u64,
    }
}

/// About the bytes of a value in MessagePack.
#[must_use]
pub fn of_value(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Number(_) => 9,
        Value::String(text) => 3 + text.len() as u64,
        Value::Array(values) => 3 + values.iter().map(of_value).sum::<u64>(),
        Value::Object(values) => {
            3 + values.iter().map(|(name, value)| 3 + name.len() as u64 + of_value(value)).sum::<u64>()
        }
    }
}

fn of_content(content: &Content) -> u64 {
    match content {
        Content::Deleted => 1,
        Content::Whole(bytes) => 5 + bytes.0.len() as u64,
        Content::Pieced(_) => 5,
        Content::Patch { changed, removed, .. } => {
            let changed: u64 = changed.iter().map(|(name, value)| 1 + of_word(name) + of_value(value)).sum();
            12 + changed + removed.iter().map(of_word).sum::<u64>()
        }
    }
}

fn of_copies(copies: &[Copy]) -> Cost {
    let bytes = copies.iter().map(|copy| CHANGE + copy.id.len() as u64 + of_content(&copy.body)).sum::<u64>();
    Cost { changes: copies.len().max(1) as u64, bytes: FRAME + bytes }
}

impl Batch {
    /// What it costs.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let mut cost = Cost { changes: 0, bytes: FRAME };
        for run in &self.runs {
            cost.changes += run.items.len() as u64;
            cost.bytes += 12;
            for item in &run.items {
                cost.bytes += CHANGE + of_word(&item.id) + of_content(&item.content);
            }
        }
        cost.changes = cost.changes.max(1);
        cost
    }
}

impl Piece {
    /// What it costs.
    #[must_use]
    pub fn cost(&self) -> Cost {
        Cost { changes: 1, bytes: FRAME + self.bytes.0.len() as u64 }
    }
}

impl Part {
    /// What it costs.
    #[must_use]
    pub fn cost(&self) -> Cost {
        of_copies(&self.copies)
    }
}

impl Repair {
    /// What it costs.
    #[must_use]
    pub fn cost(&self) -> Cost {
        of_copies(&self.copies)
    }
}

/// What is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The most.
    pub most: Cost,
    /// What there is.
    pub used: Cost,
}

impl Window {
    /// An empty one.
    #[must_use]
    pub fn new(changes: u32, bytes: u32) -> Self {
        Self { most: Cost { changes: changes.into(), bytes: bytes.into() }, used: Cost::default() }
    }

    /// Whether this may be sent besides. Where nothing is on its way, anything may.
    #[must_use]
    pub fn takes(&self, cost: Cost) -> bool {
        self.used == Cost::default()
            || self.used.changes.saturating_add(cost.changes) <= self.most.changes
                && self.used.bytes.saturating_add(cost.bytes) <= self.most.bytes
    }

    /// What is left.
    #[must_use]
    pub fn left(&self) -> Cost {
        Cost {
            changes: self.most.changes.saturating_sub(self.used.changes),
            bytes: self.most.bytes.saturating_sub(self.used.bytes),
        }
    }

    /// Sends something.
    pub fn take(&mut self, cost: Cost) {
        self.used.changes = self.used.changes.saturating_add(cost.changes);
        self.used.bytes = self.used.bytes.saturating_add(cost.bytes);
    }

    /// Something was acknowledged.
    pub fn give(&mut self, cost: Cost) {
        self.used.changes = self.used.changes.saturating_sub(cost.changes);
        self.used.bytes = self.used.bytes.saturating_sub(cost.bytes);
    }
}
