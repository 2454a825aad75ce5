//! What is seen of a workload, in the words of its supervisor.

use mf2c_lifecycle::{Exit, Order, Seen};
use mf2c_workload::State;

/// What a state means for a supervisor.
pub(super) fn seen(state: &State) -> Option<Seen> {
    match state {
        State::Created => Some(Seen::Created),
        State::Running => Some(Seen::Running),
        State::Exited { code, oom, .. } => {
            Some(Seen::Exited(Exit { code: *code, oom: *oom, interrupted: code.is_none() && !oom }))
        }
        State::Unknown => None,
    }
}

/// What has ended while nobody watched was ended by a signal, or by whatever kept others from watching, and not by itself: a
/// machine that goes down stops everything, and much of that ends with 0.
pub(super) fn interrupted(seen: Seen, gap: bool) -> Seen {
    match seen {
        Seen::Exited(exit) if !exit.oom => {
            let signalled = matches!(exit.code, None | Some(137 | 143));
            let stopped = gap && exit.code == Some(0);
            Seen::Exited(Exit { interrupted: signalled || stopped, ..exit })
        }
        other => other,
    }
}

/// The order that an image comes with.
pub(super) const fn fetches(order: Order) -> bool {
    matches!(order, Order::Prepare | Order::Create)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_while_nobody_watched_counts_as_interrupted_if_it_may_have_been() {
        let exited = |code, oom| Seen::Exited(Exit { code, oom, interrupted: false });
        let is = |seen, gap| matches!(interrupted(seen, gap), Seen::Exited(Exit { interrupted: true, .. }));
        for (code, gap, expected) in [
            (Some(0), false, false),
            (Some(0), true, true),
            (Some(1), true, false),
            (Some(137), false, true),
            (Some(143), false, true),
            (None, false, true),
        ] {
            assert_eq!(is(exited(code, false), gap), expected, "{code:?} {gap}");
        }
        assert!(!is(exited(Some(137), true), true), "it wanted too much memory by itself");
        assert_eq!(interrupted(Seen::Running, true), Seen::Running);
    }
}
