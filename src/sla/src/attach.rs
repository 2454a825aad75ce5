//! Which agreement an instance is held against (`spec/sla.md` 0, S2 and S5).

use crate::document::Instance;
use crate::state::State;

/// An agreement that an instance may be held against.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The agreement's id.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its state.
    pub state: State,
}

/// The agreement of an instance of the service with this id and name: the one that its link names, else the one named like the
/// service, else the one named `*`. Of several with one name a started one goes first, then the one with the least id; a terminated
/// one is never found by name.
pub fn attach<'a>(
    instance: &Instance,
    service: &str,
    candidates: impl Iterator<Item = Candidate<'a>>,
) -> Option<&'a str> {
    let linked = instance.agreement.strip_prefix("agreement/").unwrap_or(&instance.agreement);
    let rank = |candidate: &Candidate<'_>| {
        let alive = candidate.state != State::Terminated;
        if !linked.is_empty() && candidate.id.strip_prefix("agreement/").unwrap_or(candidate.id) == linked {
            Some(0)
        } else if alive && candidate.name != "*" && (candidate.name == service || candidate.name == instance.service) {
            Some(1)
        } else {
            (alive && candidate.name == "*").then_some(2)
        }
    };
    let ranked = candidates.filter_map(|candidate| Some((rank(&candidate)?, candidate)));
    let best = ranked.min_by_key(|(rank, candidate)| (*rank, candidate.state != State::Started, candidate.id));
    best.map(|(_, candidate)| candidate.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen<'a>(link: &str, names: &[(&'a str, &'a str, State)]) -> Option<&'a str> {
        let body = serde_json::json!({"agreement": link, "service": "service/5"}).to_string();
        let instance = Instance::read("service-instance/1", body.as_bytes()).unwrap();
        attach(&instance, "foo", names.iter().map(|(id, name, state)| Candidate { id, name, state: *state }))
    }

    #[test]
    fn a39_a_link_goes_before_the_name_of_the_service_and_that_before_the_star() {
        use State::{Started, Stopped, Terminated};
        let star = ("agreement/1", "*", Started);
        assert_eq!(chosen("", &[star]), Some("agreement/1"));
        assert_eq!(chosen("", &[star, ("agreement/2", "foo", Started)]), Some("agreement/2"));
        assert_eq!(
            chosen("agreement/3", &[star, ("agreement/2", "foo", Started), ("agreement/3", "x", Stopped)]),
            Some("agreement/3")
        );
        assert_eq!(chosen("3", &[star, ("agreement/3", "x", Stopped)]), Some("agreement/3"));
        assert_eq!(chosen("agreement/9", &[star, ("agreement/2", "foo", Terminated)]), Some("agreement/1"));
        assert_eq!(chosen("", &[("agreement/4", "*", Stopped), ("agreement/5", "*", Started)]), Some("agreement/5"));
        assert_eq!(chosen("", &[("agreement/4", "bar", Started)]), None);
    }
}
