//! The answer of the original's recommender, `POST /mf2c/optimal` (`spec/lifecycle.md` C.2), with scores and reasons.

use serde::Serialize;

use crate::rank::{Candidate, Ranked, Ranking, Resource, Term, free};
use crate::units::Percent;

/// One device of the answer; the best stands first. The keys are the original's, with their spaces.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Optimal<'r> {
    /// The device's name for people; its id where it has none.
    pub node_name: &'r str,
    /// Always `machine`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its address; empty where it is not known.
    pub ipaddress: String,
    /// The name in its id, without `device/`.
    pub mf2c_device_id: &'r str,
    /// The part of the processor that is in use, from 0 to 1. The original wrote what is free.
    #[serde(rename = "compute utilization")]
    pub compute_utilization: f64,
    /// The part of the memory that is in use. The original wrote the free part of the processor.
    #[serde(rename = "memory utilization")]
    pub memory_utilization: f64,
    /// The part of the disk that is in use.
    #[serde(rename = "disk utilization")]
    pub disk_utilization: f64,
    /// The part of the network that is in use; 0 where nobody measures it, as always in the original.
    #[serde(rename = "network utilization")]
    pub network_utilization: f64,
    /// Always 0, as in the original.
    #[serde(rename = "compute saturation")]
    pub compute_saturation: f64,
    /// Always 0, as in the original.
    #[serde(rename = "memory saturation")]
    pub memory_saturation: f64,
    /// Always 0, as in the original.
    #[serde(rename = "disk saturation")]
    pub disk_saturation: f64,
    /// Always 0, as in the original.
    #[serde(rename = "network saturation")]
    pub network_saturation: f64,
    /// The score, from 0 to 1.
    pub score: f64,
    /// What it is made of.
    pub reasons: &'r [Term],
}

/// The answer for a ranking of these candidates. Devices that do not fit are not in it: its readers take whatever is.
#[must_use]
pub fn optimal<'r>(ranking: &'r Ranking<'_>, candidates: &[Candidate<'r>]) -> Vec<Optimal<'r>> {
    let pairs = ranking.ranked.iter().filter_map(|ranked| Some((ranked, candidates.get(ranked.index)?)));
    pairs.map(|(ranked, candidate)| row(ranked, candidate)).collect()
}

fn row<'r>(ranked: &'r Ranked<'_>, candidate: &Candidate<'r>) -> Optimal<'r> {
    let id = &*candidate.device.id;
    let used = |resource, unknown: Percent| free(candidate, resource).unwrap_or(unknown).rest().as_f64() / 100.0;
    let address = candidate.address.or_else(|| candidate.dynamic?.address);
    Optimal {
        node_name: candidate.name.unwrap_or(id),
        kind: "machine",
        ipaddress: address.map(|address| address.to_string()).unwrap_or_default(),
        mf2c_device_id: id.split_once('/').map_or(id, |(_, name)| name),
        compute_utilization: used(Resource::Cpu, Percent::ZERO),
        memory_utilization: used(Resource::Memory, Percent::ZERO),
        disk_utilization: used(Resource::Disk, Percent::ZERO),
        network_utilization: used(Resource::Network, Percent::FULL),
        compute_saturation: 0.0,
        memory_saturation: 0.0,
        disk_saturation: 0.0,
        network_saturation: 0.0,
        score: ranked.score(),
        reasons: &ranked.terms,
    }
}
