//! What the kernel says of processes: who lives, since when, with which children, and what they use (`proc(5)`).

use std::fs;

use serde::{Deserialize, Serialize};

/// One process of one boot of the machine. A number alone is given to another process one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Its number.
    pub(crate) pid: i32,
    /// When it started, in ticks since the boot: field 22 of `/proc/<pid>/stat`.
    pub(crate) start: u64,
}

/// The fields of `/proc/<pid>/stat` that count here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: char,
    pub(crate) user_ticks: u64,
    pub(crate) system_ticks: u64,
    pub(crate) start: u64,
    pub(crate) resident_pages: u64,
}

/// Reads a line of `/proc/<pid>/stat`. The name of the program, in parentheses, may hold anything.
pub(crate) fn parse_stat(line: &str) -> Option<Stat> {
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // The first one here is field 3 of the manual.
    let number = |field: usize| fields.get(field - 3)?.parse().ok();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        user_ticks: number(14)?,
        system_ticks: number(15)?,
        start: number(22)?,
        resident_pages: number(24)?,
    })
}

pub(crate) fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

impl Identity {
    /// The process that has this number now.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Some(Self { pid, start: stat(pid)?.start })
    }

    /// Whether this very process is there; one that has ended and waits for its parent to notice is not.
    pub(crate) fn is_alive(self) -> bool {
        stat(self.pid).is_some_and(|now| now.start == self.start && !matches!(now.state, 'Z' | 'X' | 'x'))
    }
}

/// Which boot of the machine this is.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// The children of all threads of a process.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// What a process and all below it use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_ticks: u64,
    pub(crate) resident_pages: u64,
    pub(crate) read_bytes: u64,
    pub(crate) written_bytes: u64,
    pub(crate) processes: u64,
}

/// A tree of processes is not looked at further than this.
const MOST_PROCESSES: u64 = 10_000;

pub(crate) fn usage(root: i32) -> Usage {
    let mut sum = Usage::default();
    let mut next = vec![root];
    while let Some(pid) = next.pop() {
        let Some(stat) = stat(pid) else { continue };
        sum.cpu_ticks += stat.user_ticks + stat.system_ticks;
        sum.resident_pages += stat.resident_pages;
        let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        sum.read_bytes += io_field(&io, "read_bytes:");
        sum.written_bytes += io_field(&io, "write_bytes:");
        sum.processes += 1;
        if sum.processes >= MOST_PROCESSES {
            break;
        }
        next.extend(children(pid));
    }
    sum
}

fn io_field(io: &str, name: &str) -> u64 {
    let line = io.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let line =
            "77 (a) b (c) S 1 77 77 0 -1 4194304 1 2 3 4 50 60 0 0 20 0 1 0 123456 1000000 250 18446744073709551615";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.state, stat.user_ticks, stat.system_ticks), ('S', 50, 60));
        assert_eq!((stat.start, stat.resident_pages), (123_456, 250));
        for broken in ["", "1", "1 (a", "1 (a) S 1 2"] {
            assert_eq!(parse_stat(broken), None);
        }
    }

    #[test]
    fn this_process_lives_and_one_with_its_number_and_another_start_does_not() {
        let own = Identity::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.is_alive());
        assert!(!Identity { start: own.start + 1, ..own }.is_alive());
        assert!(usage(own.pid).processes >= 1 && !boot_id().is_empty());
    }
}
