//! Comparing what both ends have, and repairing what differs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::words::{Buckets, Check, Checks, StreamMessage};
use super::super::{Digest, Origin, Point};
use super::{Effect, Source};

/// The most origins whose buckets wait to be compared.
const MOST_COMPARED: usize = 16;
/// The most buckets that wait to be repaired.
const MOST_REPAIRS: usize = 256 * MOST_COMPARED;

impl Source {
    /// When all is acknowledged and the time has come, asks for what the documents come to.
    pub(super) fn ask_for_digests(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let due = self.check_at.is_some_and(|at| now >= at);
        if !due || self.checking || !self.is_even() {
            return;
        }
        let spread = self.bounds.check_every / 5;
        let part = u32::try_from(self.draw() % 1000).unwrap_or(0);
        self.check_at = Some(now + self.bounds.check_every - spread / 2 + spread * part / 1000);
        self.checking = true;
        let wanted = self.lines.iter().filter(|line| line.wanted);
        effects.push(Effect::Digest(wanted.map(|line| line.origin).collect()));
        // What is owed may have changed without a change of its own, as after a snapshot from elsewhere.
        effects.push(Effect::Reconsider);
    }

    /// Tells the sink what there is, origin by origin, where nothing is on its way; and where the sink has said that it has
    /// something else, finds out what.
    pub(super) fn compare(&mut self, digests: &BTreeMap<Origin, Digest>, effects: &mut Vec<Effect>) {
        let Some(stream) = self.stream else { return };
        let asked = std::mem::take(&mut self.asked);
        for (line, theirs) in &asked {
            let Some(digest) = self.lines.get(*line).and_then(|line| digests.get(&line.origin)) else { continue };
            if digest.at != theirs.0 {
                continue;
            }
            let differ = (0u8..=255).zip(&digest.buckets).zip(&theirs.1).filter(|((_, ours), theirs)| ours != theirs);
            for ((bucket, _), _) in differ {
                if self.repairs.len() < MOST_REPAIRS {
                    self.repairs.push_back((*line, digest.at.sequence, bucket));
                }
            }
        }
        if !std::mem::take(&mut self.checking) {
            return;
        }
        let of = self.lines.iter().enumerate().filter_map(|(at, line)| {
            let digest = digests.get(&line.origin)?;
            let quiet = line.wanted && !line.lost && digest.at == line.sent && line.acked == line.sent.sequence;
            quiet.then(|| Check {
                origin: u32::try_from(at).unwrap_or(u32::MAX),
                incarnation: digest.at.incarnation,
                sequence: digest.at.sequence,
                root: digest.root(),
            })
        });
        let of: Vec<Check> = of.collect();
        let words = of.chunks(2048).map(|of| StreamMessage::Digests(Checks { stream, of: of.to_vec() }));
        effects.extend(words.map(Effect::Send));
    }

    /// The sink has something else at the same point.
    pub(super) fn repair(&mut self, theirs: &Buckets, effects: &mut Vec<Effect>) {
        let line = usize::try_from(theirs.origin).unwrap_or(usize::MAX);
        let Some(known) = self.lines.get(line) else { return };
        let at = Point { incarnation: theirs.incarnation, sequence: theirs.sequence };
        let sums: Vec<u64> = theirs.sums.0.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        if known.sent != at || sums.len() != 256 || self.asked.len() >= MOST_COMPARED {
            return;
        }
        effects.push(Effect::Digest(vec![known.origin]));
        self.asked.insert(line, (at, sums));
    }

    /// The next random number (SplitMix64).
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

impl Source {
    /// Whether it offers this origin.
    #[must_use]
    pub fn offers(&self, origin: &Origin) -> bool {
        self.index.contains_key(origin)
    }
}
