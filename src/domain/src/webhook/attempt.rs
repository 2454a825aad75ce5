//! What becomes of a delivery: what an answer means, and how long to wait before the next attempt.

use std::time::Duration;

/// The longest pause between two attempts, whatever the receiver asks for.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The receiver answered.
    Status {
        /// The HTTP status.
        code: u16,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// It did not.
    Failed {
        /// Why, in words for the webhook's owner.
        reason: String,
    },
    /// It must not be asked, or sends elsewhere where we must not go: another attempt would end in the same way.
    Refused {
        /// Why, in words for the webhook's owner.
        reason: String,
    },
}

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It has arrived.
    Delivered,
    /// The receiver wants no more of them, ever (410).
    Gone,
    /// Another attempt, not before this long.
    Again {
        /// What the receiver asked for.
        after: Option<Duration>,
        /// Why this attempt failed.
        reason: String,
    },
    /// No other attempt.
    Never {
        /// Why.
        reason: String,
    },
}

/// What follows from `answer`.
#[must_use]
pub fn verdict(answer: Answer) -> Verdict {
    match answer {
        Answer::Status { code: 200..=299, .. } => Verdict::Delivered,
        Answer::Status { code: 410, .. } => Verdict::Gone,
        Answer::Status { code, retry_after } => {
            let after = retry_after.filter(|_| matches!(code, 429 | 503));
            Verdict::Again { after, reason: format!("it answered {code}, expected 200 to 299") }
        }
        Answer::Failed { reason } => Verdict::Again { after: None, reason },
        Answer::Refused { reason } => Verdict::Never { reason },
    }
}

/// The pause after the attempt with this number, counted from 1: `first`, and twice as long each time, up to
/// [`LONGEST_PAUSE`]. A quarter at most comes on top by `chance`, so that many webhooks of one receiver do not come back
/// at once.
#[must_use]
pub fn pause(attempt: u32, first: Duration, asked: Option<Duration>, chance: u8) -> Duration {
    let doubled = first.saturating_mul(1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    let base = doubled.min(LONGEST_PAUSE);
    let jittered = base + base / 4 * u32::from(chance) / 255;
    jittered.max(asked.unwrap_or_default()).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let pauses: Vec<u64> = (1..=11).map(|attempt| pause(attempt, SECOND, None, 0).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(pause(3, SECOND, None, 255), Duration::from_secs(5));
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_pause_but_not_for_ever() {
        assert_eq!(pause(1, SECOND, Some(Duration::from_secs(30)), 0).as_secs(), 30);
        assert_eq!(pause(1, SECOND, Some(Duration::from_secs(86_400)), 0), LONGEST_PAUSE);
        assert_eq!(pause(5, SECOND, Some(SECOND), 0).as_secs(), 16);
    }

    #[test]
    fn only_success_ends_a_delivery_well_and_410_ends_them_all() {
        let status = |code| verdict(Answer::Status { code, retry_after: Some(SECOND) });
        assert_eq!(status(204), Verdict::Delivered);
        assert_eq!(status(410), Verdict::Gone);
        for (code, asked) in
            [(429, Some(SECOND)), (503, Some(SECOND)), (500, None), (404, None), (304, None), (100, None)]
        {
            assert!(matches!(status(code), Verdict::Again { after, .. } if after == asked), "{code}");
        }
        let refused = verdict(Answer::Refused { reason: "no".into() });
        assert_eq!(refused, Verdict::Never { reason: "no".into() });
    }

    proptest! {
        #[test]
        fn a_pause_is_never_shorter_than_the_one_before_and_never_endless(
            attempt in 1u32..100_000, first in 1u64..10_000, asked in proptest::option::of(0u64..1_000_000), chance: u8
        ) {
            let first = Duration::from_millis(first);
            let one = pause(attempt, first, None, 0);
            prop_assert!(pause(attempt + 1, first, None, 0) >= one);
            let any = pause(attempt, first, asked.map(Duration::from_secs), chance);
            prop_assert!(any >= one.min(LONGEST_PAUSE) && any <= LONGEST_PAUSE);
        }
    }
}
