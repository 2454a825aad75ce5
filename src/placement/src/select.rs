//! As many devices as are wanted, the best first, or why there are too few.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::document::Service;
use crate::platform::ExecType;
use crate::rank::{Ranked, Ranking, Reason};
use crate::text::Shown;

/// So many devices that do not fit are named in a [`Shortage`].
pub const MOST_NAMED: usize = 20;

/// How many devices are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// With fewer it is a shortage.
    pub min: u32,
    /// More are not taken; none for all that fit.
    pub target: Option<u32>,
}

impl Wanted {
    /// As many as these.
    #[must_use]
    pub const fn exactly(count: u32) -> Self {
        Self { min: count, target: Some(count) }
    }

    /// As the service says: `num_agents`, where 0 is as good as nothing; else one, and for COMPSs all that fit.
    #[must_use]
    pub fn of(service: &Service) -> Self {
        match (service.num_agents, &service.exec_type) {
            (Some(agents), _) if agents > 0 => Self::exactly(agents),
            (_, ExecType::Compss) => Self { min: 1, target: None },
            _ => Self::exactly(1),
        }
    }
}

/// Who comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The best.
    ByRank,
    /// The device where the request was made, if it fits; then the best.
    LocalFirst,
}

impl Rule {
    /// For one agent of COMPSs the local one comes first (`spec/lifecycle.md` A.5), else the best.
    #[must_use]
    pub fn of(service: &Service, wanted: Wanted) -> Self {
        let one = wanted.target == Some(1) && service.exec_type == ExecType::Compss;
        if one { Self::LocalFirst } else { Self::ByRank }
    }
}

/// A device that does not fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Misfit {
    /// Its id.
    pub device: String,
    /// All that is in the way.
    pub reasons: Vec<Reason<'static>>,
}

/// Fewer devices fit than are wanted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct Shortage {
    /// How many are wanted at least.
    pub wanted: u32,
    /// How many fit.
    pub found: u32,
    /// Those that do not, the nearest to fitting first; [`MOST_NAMED`] at most.
    pub by_device: Vec<Misfit>,
    /// How many more do not.
    pub more: usize,
}

impl Shortage {
    fn sentence(&self) -> String {
        let devices = if self.wanted == 1 { "device is" } else { "devices are" };
        let mut text = format!("{} {devices} wanted, and {} of {} fit", self.wanted, self.found, self.candidates());
        for (at, misfit) in self.by_device.iter().enumerate() {
            let reasons: Vec<String> = misfit.reasons.iter().map(ToString::to_string).collect();
            let sign = if at == 0 { ": " } else { "; " };
            text.push_str(&format!("{sign}{}: {}", Shown(&misfit.device), reasons.join(", ")));
        }
        if self.more > 0 {
            text.push_str(&format!("; and {} more do not", self.more));
        }
        text
    }

    fn candidates(&self) -> usize {
        self.found as usize + self.by_device.len() + self.more
    }
}

/// Takes as many devices of a ranking as are wanted, no device twice.
///
/// # Errors
/// [`Shortage`] if fewer than `wanted.min` fit.
pub fn select<'r, 'a>(ranking: &'r Ranking<'a>, wanted: Wanted, rule: Rule) -> Result<Vec<&'r Ranked<'a>>, Shortage> {
    let local = ranking.ranked.iter().find(|it| rule == Rule::LocalFirst && it.local);
    let target = wanted.target.map_or(usize::MAX, |target| target.max(wanted.min) as usize);
    let mut seen = BTreeSet::new();
    let mut chosen = Vec::new();
    for device in local.into_iter().chain(&ranking.ranked) {
        if chosen.len() >= target {
            break;
        }
        if seen.insert(device.device) {
            chosen.push(device);
        }
    }
    if chosen.len() >= wanted.min as usize {
        return Ok(chosen);
    }
    let mut misfits: Vec<_> = ranking.rejected.iter().collect();
    misfits.sort_by_key(|misfit| misfit.reasons.len());
    let named = misfits.iter().take(MOST_NAMED).map(|misfit| Misfit {
        device: misfit.device.to_owned(),
        reasons: misfit.reasons.iter().cloned().map(Reason::into_owned).collect(),
    });
    Err(Shortage {
        wanted: wanted.min,
        found: u32::try_from(chosen.len()).unwrap_or(u32::MAX),
        by_device: named.collect(),
        more: misfits.len().saturating_sub(MOST_NAMED),
    })
}

#[cfg(test)]
mod tests;
