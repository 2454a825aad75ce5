//! What all agents must agree on once nothing disturbs them any more.

use std::collections::{BTreeMap, BTreeSet};

use mf2c_store::record::NodeId;
use mf2c_store::replica::Progress;

use crate::agent::Commons;
use crate::fleet::Fleet;
use crate::host::Host;
use crate::invariants::{is_same, wrong_sums};
use crate::judge::Judge;
use crate::load::EDITED_ABOVE;
use crate::workload::Lost;

/// The stores that must hold what a host wrote: those of its leader, of its area's backups and of the cloud.
fn holders(fleet: &Fleet, judge: &Judge, host: usize) -> Vec<usize> {
    let mut found = vec![];
    if let Some(leader) = fleet.area_of(host).and_then(|area| judge.leader(area)) {
        found.push(leader);
        let backups = judge.standing(leader).map(|standing| standing.backups.clone()).unwrap_or_default();
        found.extend(backups.iter().filter_map(|backup| fleet.host_of(&backup.id)));
    }
    found.extend(fleet.cloud());
    found.retain(|holder| *holder != host);
    found
}

fn own_progress(host: &Host) -> Option<Progress> {
    host.with(|running| running.store.progress_of(&running.store.identity().node))?
}

/// Whether somebody leads each area and everything that was written is everywhere where it must be: a cheap look.
#[must_use]
pub fn is_reached(fleet: &Fleet, hosts: &[Host], judge: &Judge) -> bool {
    missing(fleet, hosts, judge).is_none()
}

/// The first thing that is missing.
fn missing(fleet: &Fleet, hosts: &[Host], judge: &Judge) -> Option<(&'static str, String)> {
    for area in 0..fleet.areas() {
        let name = format!("area {}", area + 1);
        let Some(leader) = judge.leader(area) else {
            return Some(("one leader after a storm", format!("nobody leads {name}")));
        };
        let term = judge.standing(leader).map_or(0, |standing| standing.term);
        for host in fleet.hosts_of(area) {
            let Some(standing) = judge.standing(host) else { continue };
            let agrees = standing.leader.as_ref().and_then(|leader| fleet.host_of(&leader.id)) == Some(leader);
            if !agrees || standing.term != term {
                let theirs = standing.leader.as_ref().and_then(|leader| fleet.host_of(&leader.id));
                let what = format!(
                    "agent {host} ({}) believes that {} leads {name} in term {}, but {leader} does in term {term}",
                    standing.role.as_str(),
                    theirs.map_or("nobody".to_owned(), |theirs| theirs.to_string()),
                    standing.term
                );
                return Some(("one leader after a storm", what));
            }
        }
    }
    for host in hosts {
        let Some(Progress { origin, incarnation, sequence }) = own_progress(host) else { continue };
        for holder in holders(fleet, judge, host.number) {
            let there = hosts.get(holder).and_then(|holder| holder.with(|it| it.store.progress_of(&origin)))?;
            let same = there.is_some_and(|it| (it.incarnation, it.sequence) == (incarnation, sequence));
            // What was written a moment ago may be on its way.
            let near = there.is_some_and(|it| it.incarnation == incarnation && it.sequence + 2 >= sequence);
            if !same && !near {
                let here =
                    there.map_or("nothing".to_owned(), |it| format!("{} of life {:x}", it.sequence, it.incarnation));
                let what = format!(
                    "agent {} has written {sequence} changes in life {incarnation:x}, and agent {holder} has {here}",
                    host.number
                );
                return Some(("everything arrives", what));
            }
        }
    }
    None
}

/// The thorough look: every document is the same everywhere, what was acknowledged is there, and sums are right. They follow
/// documents a moment later, and in a large fog some area is always a moment behind: `summed` has those that were right before.
#[must_use]
pub fn check(
    commons: &Commons,
    hosts: &[Host],
    judge: &Judge,
    summed: &mut BTreeSet<usize>,
) -> Option<(&'static str, String)> {
    let fleet = &commons.fleet;
    missing(fleet, hosts, judge)
        .or_else(|| hosts.iter().find_map(acknowledged))
        .or_else(|| edited_above(commons, hosts))
        .or_else(|| same_documents(fleet, hosts, judge))
        .or_else(|| sums(fleet, hosts, judge, summed))
}

/// What was acknowledged is in the origin's store.
fn acknowledged(host: &Host) -> Option<(&'static str, String)> {
    let ledger = host.ledger.borrow();
    let number = host.number;
    let lost =
        host.with(|running| ledger.lost(|id| running.store.get(id.as_str()).map(|document| document.revision)))?;
    Some(match lost? {
        Lost::Write { id, version, here } => {
            let here = here.map_or("nothing".to_owned(), |here| format!("change {here}"));
            let what = format!("agent {number} acknowledged change {version} of {id}, of which it has {here}");
            ("acknowledged writes survive", what)
        }
        Lost::Deletion(id) => ("what is deleted stays deleted", format!("agent {number} has {id} again")),
    })
}

/// What a leader wrote into a document of another agent, and was acknowledged, is in that agent's store, or something later.
fn edited_above(commons: &Commons, hosts: &[Host]) -> Option<(&'static str, String)> {
    let own = |host: &Host| host.with(|it| (it.store.identity().node, host.number));
    let owners: BTreeMap<NodeId, usize> = hosts.iter().filter_map(own).collect();
    let mut edits = commons.edits.lock();
    let mut gone = BTreeSet::new();
    for (id, from_above) in edits.iter() {
        let Some(owner) = owners.get(&from_above.origin).and_then(|owner| hosts.get(*owner)) else { continue };
        let here = owner.with(|it| {
            let document = it.store.get(id)?;
            let body = it.store.body(&document).ok()??;
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            Some(body.get(EDITED_ABOVE).and_then(|text| text.as_str()?.parse::<u64>().ok()).unwrap_or_default())
        });
        match here.flatten() {
            None => drop(gone.insert(id.clone())),
            Some(here) => {
                if let Some(number) = from_above.lost(here) {
                    let owner = owner.number;
                    let what = format!("an edit of {id} of {number} ms was acknowledged, and agent {owner} has {here}");
                    return Some(("edits from above survive", what));
                }
            }
        }
    }
    edits.retain(|id, _| !gone.contains(id));
    None
}

/// All copies of an origin's documents are the same, where they are of the same change.
fn same_documents(fleet: &Fleet, hosts: &[Host], judge: &Judge) -> Option<(&'static str, String)> {
    let mut wanted: BTreeMap<usize, Vec<NodeId>> = BTreeMap::new();
    let mut origins: Vec<Option<NodeId>> = vec![];
    for host in hosts {
        let origin = own_progress(host).map(|own| own.origin);
        for holder in holders(fleet, judge, host.number) {
            wanted.entry(holder).or_default().extend(origin);
        }
        origins.push(origin);
    }
    let mut own = BTreeMap::new();
    for (host, origin) in hosts.iter().zip(&origins) {
        let digests = origin.and_then(|origin| host.with(|it| it.store.digests(&[origin]))?.ok());
        own.extend(digests.into_iter().flatten());
    }
    for (holder, of) in wanted {
        let digests = hosts.get(holder).and_then(|host| host.with(|it| it.store.digests(&of))?.ok());
        for (origin, digest) in digests.into_iter().flatten() {
            let Some(right) = own.get(&origin) else { continue };
            if !is_same(right, &digest) {
                let host = origins.iter().position(|it| *it == Some(origin)).unwrap_or_default();
                let what = format!(
                    "agent {holder} has other documents of agent {host} than that agent itself, at the same change {}",
                    digest.progress.sequence
                );
                return Some(("all copies are the same", what));
            }
        }
    }
    None
}

/// The sums of areas are what a recount gives, or were when it was looked before.
fn sums(fleet: &Fleet, hosts: &[Host], judge: &Judge, summed: &mut BTreeSet<usize>) -> Option<(&'static str, String)> {
    let mut found = None;
    for area in 0..fleet.areas() {
        let Some(leader) = judge.leader(area).filter(|_| !summed.contains(&area)) else { continue };
        match hosts.get(leader).and_then(|leader| leader.with(|running| wrong_sums(&running.store))).flatten() {
            Some(wrong) => found = Some(("sums equal a recount", format!("agent {leader}, {wrong}"))),
            None => drop(summed.insert(area)),
        }
    }
    found
}
