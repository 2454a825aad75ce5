//! What may come from whom: a child's own changes, everything of an area from its leader, and never our own.

use mf2c_domain::area::spiffe::Subject;
use mf2c_domain::area::standing::Standing;
use mf2c_fabric::replication::sink::Verdict;
use mf2c_fabric::replication::{Origin, Point};
use mf2c_fabric::wire::hello::Scope;
use mf2c_fabric::wire::{Code, WireError};

use super::bindings::{Bindings, Full, is_behind};
use crate::ports::OpenLink;
use crate::resource_store::KeepState;

/// What the peer of a link is to this agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// Nothing that matters for changes.
    None,
    /// It leads our area.
    Leader,
    /// A member of the area that we lead.
    Child,
    /// It leads an area below us.
    Below,
}

impl Relation {
    pub(super) fn of(link: &OpenLink, standing: &Standing) -> Self {
        match link.scope {
            Scope::Area if standing.leads() => Self::Child,
            Scope::Area if standing.is_led_by(&link.peer.id) => Self::Leader,
            Scope::Certification if standing.leads() && link.peer.unit == "leader" => Self::Below,
            _ => Self::None,
        }
    }
}

/// What is owed to the peer of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// Our own changes.
    Own,
    /// Everything that we have.
    All,
}

impl Due {
    pub(super) fn of(link: &OpenLink, standing: &Standing) -> Self {
        let peer = &link.peer.id;
        let backup = standing.backups.iter().any(|backup| backup.id == *peer);
        let upper = standing.upper.as_ref().is_some_and(|upper| upper.id == *peer);
        match standing.leads() {
            true if backup || upper => Self::All,
            false if standing.is_led_by(peer) => Self::Own,
            _ => Self::Nothing,
        }
    }
}

/// The device that a certificate names.
pub(super) fn device_of(link: &OpenLink) -> &str {
    match &link.peer.id.subject {
        Subject::Agent { device, .. } => device,
        _ => "",
    }
}

/// What an origin's change of hands brings with it.
#[derive(Default)]
pub(super) struct Consequences {
    /// What must be kept before anything of it is taken.
    pub(super) keep: Vec<KeepState>,
    /// Stores that their devices no longer have, and the devices.
    pub(super) forget: Vec<(Origin, String)>,
}

/// Whether a life of an origin is over as far as is known here. Lives of one store count upwards; only the origin itself, on
/// its own link, may go back to an older one, as after a restore from a backup.
pub(super) fn is_outlived(link: &OpenLink, origin: &Origin, incarnation: u64, here: Point) -> bool {
    incarnation < here.incarnation && link.hello.origin.0 != *origin
}

/// Whether the origin may come over the link. It binds the origin to its device.
pub(super) fn judge(
    link: &OpenLink,
    relation: Relation,
    own: &Origin,
    (origin, offered, told): &(Origin, Point, String),
    here: Option<Point>,
    bindings: &mut Bindings,
    consequences: &mut Consequences,
) -> Verdict {
    let forbidden = |text: String| Err(WireError::new(Code::Forbidden, text));
    if origin == own {
        return forbidden("this agent takes its own changes from nobody".to_owned());
    }
    let device = match relation {
        Relation::Child if link.hello.origin.0 != *origin => {
            return forbidden("a child may offer its own changes alone".to_owned());
        }
        Relation::Child => device_of(link),
        // Of its own store the certificate tells the device, and nothing else.
        _ if link.hello.origin.0 == *origin => device_of(link),
        _ => told,
    };
    let owner = bindings.owner_of(origin).map(str::to_owned);
    let former = bindings.gone(origin);
    if let Some(owner) = owner.as_deref().or(former.map(|gone| gone.device.as_str()).filter(|owner| !owner.is_empty()))
        && owner != device
    {
        let whose = if device.is_empty() { "nobody" } else { device };
        return forbidden(format!("this store belongs to the device {owner}, not to {whose}"));
    }
    if let Some(gone) = former
        && link.hello.origin.0 != *origin
        && !is_behind(*offered, gone.upto())
    {
        return forbidden(format!("the device {device} is forgotten here: it comes back itself, and not as a copy"));
    }
    if let Some(here) = here
        && is_outlived(link, origin, offered.incarnation, here)
    {
        return forbidden(format!(
            "this store has begun a new life since: the life {} is here, {} is older",
            here.incarnation, offered.incarnation
        ));
    }
    consequences.keep.extend(bindings.remember(origin));
    if device.is_empty() {
        return Ok(());
    }
    let area = link.peer.id.area().unwrap_or_default();
    if let Some(bound) = bindings.of_device(device)
        && let Some(old) = bound.origin().filter(|old| old != origin)
    {
        if relation == Relation::Below && bound.area != area {
            return forbidden(format!("the store of the device {device} is known from the area {}", bound.area));
        }
        consequences.forget.push((old, device.to_owned()));
    }
    // The leader of another area shows that a device moved to it by having more of its store than is here. Who has no more
    // has what the device left behind: that may come, and moves nothing.
    let moved = here.is_none_or(|here| (offered.incarnation, offered.sequence) > (here.incarnation, here.sequence));
    if owner.is_some() && relation == Relation::Below && !moved {
        return Ok(());
    }
    match bindings.bind(device, *origin, area) {
        Ok(keep) => consequences.keep.extend(keep),
        Err(Full) => {
            return Err(WireError::new(
                Code::Busy,
                "the stores of as many devices are known here as ever are: forget some",
            ));
        }
    }
    Ok(())
}
