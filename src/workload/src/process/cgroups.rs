//! Control groups, where this machine lets us make some: limits that hold for a process and all it starts.
//!
//! Version 1 has a hierarchy for each controller, version 2 one for all (kernel: `Documentation/admin-guide/cgroup-v1`,
//! `cgroup-v2.rst`).

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::folder::absent_is_fine;
use crate::observed::Feature;
use crate::spec::Limits;

/// A CPU limit counts in each of these, in microseconds: the kernel's own default.
const PERIOD: u64 = 100_000;

/// The controllers that are used, with a file that shows that they work.
const CONTROLLERS: [(Feature, &str, &str, &str); 3] = [
    (Feature::MemoryLimit, "memory", "memory.limit_in_bytes", "memory.max"),
    (Feature::CpuLimit, "cpu", "cpu.cfs_quota_us", "cpu.max"),
    (Feature::ProcessLimit, "pids", "pids.max", "pids.max"),
];

/// What there is for us.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cgroups {
    /// 1 or 2.
    pub(crate) version: Option<u8>,
    /// The folder of our group for each limit that can be set; in version 2 they are all the same one.
    places: Vec<(Feature, PathBuf)>,
}

impl Cgroups {
    /// Makes a group named `group` in what is mounted at `mount`.
    pub(crate) fn detect(mount: &Path, group: &str) -> Self {
        if mount.join("cgroup.controllers").exists() { Self::second(mount, group) } else { Self::first(mount, group) }
    }

    fn first(mount: &Path, group: &str) -> Self {
        let mut places = vec![];
        for (feature, controller, file, _) in CONTROLLERS {
            let hierarchy = mount.join(controller);
            let place = hierarchy.join(group);
            let there = hierarchy.is_dir() && (place.is_dir() || fs::create_dir(&place).is_ok());
            if there && is_writable(&place.join(file)) {
                places.push((feature, place));
            }
        }
        Self { version: (!places.is_empty()).then_some(1), places }
    }

    fn second(mount: &Path, group: &str) -> Self {
        let place = mount.join(group);
        let _ = fs::create_dir(&place);
        for (_, controller, ..) in CONTROLLERS {
            // Where one is not to be had, the others may be.
            let _ = fs::write(mount.join("cgroup.subtree_control"), format!("+{controller}"));
            let _ = fs::write(place.join("cgroup.subtree_control"), format!("+{controller}"));
        }
        let given = fs::read_to_string(place.join("cgroup.subtree_control")).unwrap_or_default();
        let given: Vec<&str> = given.split_ascii_whitespace().collect();
        let places: Vec<_> = CONTROLLERS
            .iter()
            .filter(|(_, controller, ..)| given.contains(controller))
            .map(|(feature, ..)| (*feature, place.clone()))
            .collect();
        Self { version: (!places.is_empty()).then_some(2), places }
    }

    pub(crate) fn features(&self) -> BTreeSet<Feature> {
        self.places.iter().map(|(feature, _)| *feature).collect()
    }

    /// Makes groups for one process with its limits, and tells their folders. Without limits there are none.
    pub(crate) fn make(&self, name: &str, limits: &Limits) -> io::Result<Vec<PathBuf>> {
        let mut made: Vec<PathBuf> = vec![];
        for (feature, place) in &self.places {
            let settings = settings(*feature, self.version == Some(2), limits);
            if settings.is_empty() {
                continue;
            }
            let folder = place.join(name);
            fs::create_dir_all(&folder)?;
            for (file, value) in settings {
                fs::write(folder.join(file), value)?;
            }
            if !made.contains(&folder) {
                made.push(folder);
            }
        }
        Ok(made)
    }
}

/// Which files of a group say what.
fn settings(feature: Feature, second: bool, limits: &Limits) -> Vec<(&'static str, String)> {
    let quota = |cpus: f64| (cpus * PERIOD as f64).round().max(1000.0) as u64;
    match (feature, second) {
        (Feature::MemoryLimit, false) => {
            limits.memory.map(|most| ("memory.limit_in_bytes", most.to_string())).into_iter().collect()
        }
        (Feature::MemoryLimit, true) => {
            limits.memory.map(|most| ("memory.max", most.to_string())).into_iter().collect()
        }
        (Feature::CpuLimit, false) => limits.cpus.map_or_else(Vec::new, |cpus| {
            vec![("cpu.cfs_period_us", PERIOD.to_string()), ("cpu.cfs_quota_us", quota(cpus).to_string())]
        }),
        (Feature::CpuLimit, true) => {
            limits.cpus.map(|cpus| ("cpu.max", format!("{} {PERIOD}", quota(cpus)))).into_iter().collect()
        }
        (Feature::ProcessLimit, _) => limits.pids.map(|most| ("pids.max", most.to_string())).into_iter().collect(),
        _ => vec![],
    }
}

fn is_writable(path: &Path) -> bool {
    fs::OpenOptions::new().write(true).open(path).is_ok()
}

/// Whether the kernel has ended a process of these groups for want of memory.
pub(crate) fn was_out_of_memory(groups: &[PathBuf]) -> bool {
    let files = groups.iter().flat_map(|group| [group.join("memory.oom_control"), group.join("memory.events")]);
    let texts = files.filter_map(|file| fs::read_to_string(file).ok());
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).any(|line| {
        let count = line.strip_prefix("oom_kill ").and_then(|count| count.trim().parse::<u64>().ok());
        count.is_some_and(|count| count > 0)
    })
}

/// Removes the groups of a process that has ended.
pub(crate) fn remove(groups: &[PathBuf]) -> io::Result<()> {
    groups.iter().try_for_each(|group| absent_is_fine(fs::remove_dir(group)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_as_each_version_reads_them() {
        let limits = Limits { memory: Some(1 << 26), cpus: Some(0.5), pids: Some(7), ..Limits::default() };
        let all = |second: bool| -> Vec<(&str, String)> {
            CONTROLLERS.iter().flat_map(|(feature, ..)| settings(*feature, second, &limits)).collect()
        };
        let expect = |pairs: &[(&'static str, &str)]| -> Vec<(&str, String)> {
            pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
        };
        let first = [
            ("memory.limit_in_bytes", "67108864"),
            ("cpu.cfs_period_us", "100000"),
            ("cpu.cfs_quota_us", "50000"),
            ("pids.max", "7"),
        ];
        assert_eq!(all(false), expect(&first));
        assert_eq!(all(true), expect(&[("memory.max", "67108864"), ("cpu.max", "50000 100000"), ("pids.max", "7")]));
        assert!(settings(Feature::CpuLimit, true, &Limits::default()).is_empty());
    }

    #[test]
    fn a_kill_for_want_of_memory_is_read_from_both_versions() {
        let folder = tempfile::tempdir().unwrap();
        let groups = [folder.path().to_owned()];
        assert!(!was_out_of_memory(&groups));
        fs::write(folder.path().join("memory.events"), "low 0\noom 0\noom_kill 0\n").unwrap();
        assert!(!was_out_of_memory(&groups));
        fs::write(folder.path().join("memory.events"), "low 0\noom 1\noom_kill 2\n").unwrap();
        assert!(was_out_of_memory(&groups));
        fs::remove_file(folder.path().join("memory.events")).unwrap();
        fs::write(folder.path().join("memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n").unwrap();
        assert!(was_out_of_memory(&groups));
    }
}
