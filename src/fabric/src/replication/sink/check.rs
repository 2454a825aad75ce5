//! Comparing digests, as the sink sees it.

use std::collections::BTreeMap;

use super::super::words::{Buckets, Checks, StreamMessage};
use super::super::{Digest, Origin, Point};
use super::{Effect, Here, Sink};

impl Sink {
    /// What the source has. It is compared where the same point is here.
    pub(super) fn check(&mut self, checks: Checks, here: &dyn Here, effects: &mut Vec<Effect>) {
        let mut wanted = Vec::new();
        for check in checks.of {
            let at = usize::try_from(check.origin).unwrap_or(usize::MAX);
            let Some(line) = self.lines.get(at).filter(|line| line.allowed) else { continue };
            let point = Point { incarnation: check.incarnation, sequence: check.sequence };
            if here.progress_of(&line.origin) == Some(point) && self.checks.insert(at, (point, check.root)).is_none() {
                wanted.push(line.origin);
            }
        }
        if !wanted.is_empty() {
            effects.push(Effect::Digest(wanted));
        }
    }

    /// Tells the source what is here of the origins that differ.
    pub(super) fn answer_checks(&mut self, digests: &BTreeMap<Origin, Digest>, effects: &mut Vec<Effect>) {
        for (at, (point, root)) in std::mem::take(&mut self.checks) {
            let Some(digest) = self.lines.get(at).and_then(|line| digests.get(&line.origin)) else { continue };
            if digest.at != point || digest.root() == root || !self.following {
                continue;
            }
            let sums: Vec<u8> = digest.buckets.iter().flat_map(|sum| sum.to_le_bytes()).collect();
            effects.push(Effect::Send(StreamMessage::Buckets(Buckets {
                stream: self.stream,
                origin: u32::try_from(at).unwrap_or(u32::MAX),
                incarnation: point.incarnation,
                sequence: point.sequence,
                sums: sums.into(),
            })));
        }
    }
}
