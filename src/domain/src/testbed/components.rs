//! Which parts of an experiment the first generation of the API asks for. The seed names the flags in this order and gives no
//! values: these are this agent's.

use super::Refusal;
use super::aspect::LAYOUT;

/// All parts: the flag of each is 1 shifted by its place. `EXPERIMENT_TOPOLOGY` is 1.
const ALL: [Component; 8] = [
    Component::Topology,
    Component::Actions,
    Component::Constraints,
    Component::DataCollection,
    Component::Resources,
    Component::Containers,
    Component::Log,
    Component::Permissions,
];

/// A part of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation: they are DETER's own")]
pub enum Component {
    Topology,
    Actions,
    Constraints,
    DataCollection,
    Resources,
    Containers,
    Log,
    Permissions,
}

/// Which parts are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Components(u32);

impl Components {
    /// From a mask; all where there is none.
    ///
    /// # Errors
    /// [`Refusal::Request`] where a bit is unknown.
    pub fn of(mask: Option<i64>) -> Result<Self, Refusal> {
        let all = (1 << ALL.len()) - 1;
        match mask {
            None => Ok(Self(all)),
            Some(mask) => u32::try_from(mask)
                .ok()
                .filter(|mask| mask & !all == 0)
                .map(Self)
                .ok_or_else(|| Refusal::request(format!("Bad components: expected flags of 0 to {all}"))),
        }
    }

    /// Whether aspects of this type are: those that are parts go with them, others belong to the whole.
    #[must_use]
    pub fn has_aspect(self, kind: &str) -> bool {
        match kind {
            LAYOUT => self.has(Component::Topology),
            "actions" => self.has(Component::Actions),
            "constraints" => self.has(Component::Constraints),
            "dataCollection" => self.has(Component::DataCollection),
            _ => ALL.into_iter().all(|component| self.has(component)),
        }
    }

    /// Whether a part is asked for.
    #[must_use]
    pub fn has(self, component: Component) -> bool {
        ALL.iter().position(|known| *known == component).is_some_and(|bit| self.0 & (1 << bit) != 0)
    }
}

/// The format of a topology: `TOPOLOGY_TOPDL`.
pub const TOPDL: i64 = 1;
/// The format of a topology: `TOPOLOGY_NS2`.
pub const NS2: i64 = 2;

/// Checks what format a topology is asked for in.
///
/// # Errors
/// [`Refusal::Unimplemented`] for ns2, [`Refusal::Request`] for what nobody knows.
pub fn check_format(format: Option<i64>) -> Result<(), Refusal> {
    match format {
        None | Some(TOPDL) => Ok(()),
        Some(NS2) => Err(Refusal::Unimplemented("no ns2 is written: expected TOPOLOGY_TOPDL (1)".to_owned())),
        Some(_) => Err(Refusal::request("Bad topology format: expected TOPOLOGY_TOPDL (1) or TOPOLOGY_NS2 (2)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_asks_for_one_part_in_the_order_of_the_seed() {
        for (bit, component) in ALL.iter().enumerate() {
            let only = Components::of(Some(1 << bit)).unwrap();
            let found: Vec<Component> = ALL.iter().copied().filter(|it| only.has(*it)).collect();
            assert_eq!(found, [*component]);
        }
        let all = Components::of(None).unwrap();
        assert!(ALL.iter().all(|component| all.has(*component)));
        assert!(!Components::of(Some(0)).unwrap().has(Component::Log));
        let topology = Components::of(Some(1)).unwrap();
        assert_eq!(["layout", "actions", "notes"].map(|kind| topology.has_aspect(kind)), [true, false, false]);
        assert_eq!(["layout", "actions", "notes"].map(|kind| all.has_aspect(kind)), [true; 3]);
        assert!(Components::of(Some(256)).is_err() && Components::of(Some(-1)).is_err());
    }

    #[test]
    fn topologies_are_shown_as_topdl_only() {
        assert_eq!((check_format(None), check_format(Some(1))), (Ok(()), Ok(())));
        assert!(matches!(check_format(Some(2)), Err(Refusal::Unimplemented(_))));
        assert!(matches!(check_format(Some(3)), Err(Refusal::Request(_))));
    }
}
