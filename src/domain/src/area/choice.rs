//! Which of the agents nearby is the best to turn to. The choice depends on nothing but what is compared, so everybody who
//! hears the same chooses the same.

use std::cmp::Reverse;

use super::beacon::{Level, Role};
use super::sighting::Sighting;

/// What is looked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// The area; none takes any.
    pub area: Option<&'a str>,
    /// SHA-256 of the root certificates that are believed; without any, all are taken.
    pub roots: &'a [[u8; 32]],
}

/// The lower, the better: those who take others in before those who do not; the wanted area before others; the believed
/// root, then one that is not told, then another; the highest term; the most urgent, who are the least loaded; and last the
/// name and the address, so that two never rank alike.
pub(super) fn rank<'a>(sighting: &'a Sighting, wanted: &Wanted<'_>) -> impl Ord + use<'a> {
    let leads = matches!(sighting.role, Some(Role::Leader | Role::Cloud)) && sighting.address.is_some();
    let area = wanted.area.is_some() && sighting.area.as_deref() != wanted.area;
    let urgency = match sighting.urgency {
        Some(Level::High) => 0,
        Some(Level::Medium) => 1,
        Some(Level::Low) => 2,
        None => 3,
    };
    let root = root_rank(sighting, wanted);
    let name = (&sighting.device, &sighting.address, sighting.by, &sighting.area);
    (!leads, area, root, Reverse(sighting.term), urgency, name)
}

fn root_rank(sighting: &Sighting, wanted: &Wanted<'_>) -> u8 {
    match &sighting.root {
        _ if wanted.roots.is_empty() => 0,
        Some(root) if wanted.roots.contains(root) => 0,
        None => 1,
        Some(_) => 2,
    }
}

/// The leader to turn to (vector D3): of the wanted area if one is heard there, else of any; with the believed root or an
/// untold one, never with another; then by highest term, highest urgency, and name.
#[must_use]
pub fn choose<'a>(sightings: &'a [Sighting], wanted: &Wanted<'_>) -> Option<&'a Sighting> {
    let fit = |sighting: &&Sighting| {
        matches!(sighting.role, Some(Role::Leader | Role::Cloud))
            && sighting.address.is_some()
            && root_rank(sighting, wanted) < 2
    };
    sightings.iter().filter(fit).min_by(|a, b| rank(a, wanted).cmp(&rank(b, wanted)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Timestamp;

    fn leader(device: &str, area: &str, term: u64) -> Sighting {
        let at = Sighting::listed(format!("{device}:1"), Role::Leader, Timestamp::default());
        Sighting { device: device.to_owned(), area: Some(area.to_owned()), term, ..at }
    }

    fn chosen(sightings: &[Sighting], wanted: &Wanted<'_>) -> String {
        choose(sightings, wanted).map(|sighting| sighting.device.clone()).unwrap_or_default()
    }

    #[test]
    fn d3_the_wanted_area_comes_first_and_without_one_the_highest_term_and_then_the_name() {
        let two = [leader("aa", "a2", 9), leader("bb", "a1", 1)];
        assert_eq!(chosen(&two, &Wanted { area: Some("a1"), roots: &[] }), "bb");
        assert_eq!(chosen(&two, &Wanted::default()), "aa");
        assert_eq!(chosen(&[leader("dd", "a1", 3), leader("cc", "a2", 3)], &Wanted::default()), "cc");
    }

    #[test]
    fn another_root_is_never_chosen_and_the_right_one_comes_before_an_untold_one() {
        let roots = [[1; 32], [3; 32]];
        let wanted = Wanted { area: None, roots: &roots };
        let other = Sighting { root: Some([2; 32]), ..leader("aa", "a1", 99) };
        assert_eq!(chosen(std::slice::from_ref(&other), &wanted), "");
        let right = Sighting { root: Some([3; 32]), ..leader("cc", "a1", 1) };
        assert_eq!(chosen(&[other, leader("bb", "a1", 5), right], &wanted), "cc");
    }

    #[test]
    fn the_least_loaded_leader_of_one_term_is_chosen_and_agents_never_are() {
        let urgent = |device: &str, urgency| Sighting { urgency, ..leader(device, "a1", 1) };
        let three = [urgent("aa", None), urgent("bb", Some(Level::Low)), urgent("cc", Some(Level::High))];
        assert_eq!(chosen(&three, &Wanted::default()), "cc");
        let agent = Sighting { role: Some(Role::Agent), ..leader("aa", "a1", 9) };
        assert_eq!(chosen(&[agent], &Wanted::default()), "");
    }

    proptest! {
        #[test]
        fn the_order_of_hearing_changes_nothing(terms in proptest::collection::vec((0u64..3, 0u8..3, 0u8..4), 1..8), turn in 0usize..8) {
            let mut all: Vec<Sighting> =
                terms.iter().map(|(term, area, device)| leader(&format!("d{device}"), &format!("a{area}"), *term)).collect();
            let wanted = Wanted { area: Some("a1"), roots: &[] };
            let first = choose(&all, &wanted).cloned();
            let turn = turn % all.len();
            all.rotate_left(turn);
            prop_assert_eq!(choose(&all, &wanted).cloned(), first);
        }
    }
}
