//! Processors: how idle they are, and what they are called.

use std::collections::BTreeSet;

/// Jiffies of all processors together since boot, from the first line of `/proc/stat`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CpuTimes {
    idle: u64,
    total: u64,
}

impl CpuTimes {
    /// Reads `cpu user nice system idle iowait irq softirq steal ...` (proc_stat(5)).
    pub(crate) fn parse(stat: &str) -> Option<Self> {
        let mut fields = stat.lines().next()?.split_ascii_whitespace();
        if fields.next()? != "cpu" {
            return None;
        }
        // The ninth and tenth, guest times, are already in user and nice.
        let times = fields.take(8).map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
        let idle = times.get(3)?.saturating_add(times.get(4).copied().unwrap_or(0));
        Some(Self { idle, total: times.iter().fold(0, |sum, time| sum.saturating_add(*time)) })
    }

    /// The idle share in percent between `before` and this; `None` where no time has passed.
    pub(crate) fn free_percent_since(self, before: Self) -> Option<f64> {
        let total = self.total.checked_sub(before.total).filter(|passed| *passed > 0)?;
        // The kernel may count iowait backwards.
        let idle = self.idle.saturating_sub(before.idle).min(total);
        Some(100.0 * idle as f64 / total as f64)
    }
}

/// What `/proc/cpuinfo` tells.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct CpuDescription {
    /// The processor's name, the board's where the kernel only knows that; empty where it knows neither.
    pub(crate) name: String,
    /// Hardware threads; 0 where unknown.
    pub(crate) logical: u64,
    /// Cores; 0 where unknown.
    pub(crate) physical: u64,
    /// The clock at this moment in MHz.
    pub(crate) momentary_mhz: Option<f64>,
}

impl CpuDescription {
    /// Reads the blocks of `key : value` lines; x86, ARM and RISC-V kernels use different keys.
    pub(crate) fn parse(cpuinfo: &str) -> Self {
        let mut description = Self::default();
        let (mut model, mut hardware, mut board) = (None, None, None);
        let mut cores = BTreeSet::new();
        let mut package = "";
        for (key, value) in cpuinfo.lines().filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match key.trim() {
                "processor" if value.parse::<u64>().is_ok() => description.logical += 1,
                "model name" => model = model.or(Some(value)),
                "Hardware" => hardware = Some(value),
                "Model" => board = Some(value),
                "physical id" => package = value,
                "core id" => drop(cores.insert((package, value))),
                "cpu MHz" if description.momentary_mhz.is_none() => description.momentary_mhz = value.parse().ok(),
                _ => {}
            }
        }
        description.physical = cores.len() as u64;
        description.name = model.or(hardware).or(board).unwrap_or_default().to_owned();
        description
    }
}

/// The clock in GHz that the maker advertises at the end of a processor's name, as in `... CPU @ 1.80GHz`.
pub(crate) fn advertised_ghz(name: &str) -> Option<f64> {
    let clock = name.rsplit_once('@')?.1.trim();
    let (number, scale) = match clock.strip_suffix("GHz") {
        Some(number) => (number, 1.0),
        None => (clock.strip_suffix("MHz")?, 1e-3),
    };
    number.trim().parse::<f64>().ok().map(|number| number * scale).filter(|ghz| ghz.is_finite() && *ghz > 0.0)
}

/// `cpuinfo` without its momentary clocks, which would make a new document of an unchanged machine, cut at the end of a
/// line to at most `limit` bytes.
pub(crate) fn lasting_text(cpuinfo: &str, limit: usize) -> String {
    let mut text = String::new();
    for line in cpuinfo.lines().filter(|line| !line.starts_with("cpu MHz")) {
        if text.len() + line.len() + 1 > limit {
            break;
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const X86: &str = "processor\t: 0\nmodel name\t: Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz\ncpu MHz\t\t: 800.03\n\
                       physical id\t: 0\ncore id\t\t: 0\n\nprocessor\t: 1\nmodel name\t: Intel(R)\nphysical id\t: 0\n\
                       core id\t\t: 0\n\nprocessor\t: 2\nphysical id\t: 1\ncore id\t\t: 0\n";
    const ARM: &str = "processor\t: 0\nBogoMIPS\t: 108.00\n\nprocessor\t: 1\n\nHardware\t: BCM2711\n\
                       Model\t\t: Raspberry Pi 4 Model B\n";

    #[test]
    fn threads_and_cores_are_counted_apart_across_packages() {
        let description = CpuDescription::parse(X86);
        assert_eq!((description.logical, description.physical), (3, 2));
        assert_eq!(description.name, "Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz");
        assert_eq!(description.momentary_mhz, Some(800.03));
    }

    #[test]
    fn an_arm_board_is_named_by_its_chip_and_its_cores_stay_unknown() {
        let description = CpuDescription::parse(ARM);
        assert_eq!((description.name.as_str(), description.logical, description.physical), ("BCM2711", 2, 0));
    }

    #[test]
    fn the_advertised_clock_is_read_in_either_unit() {
        assert_eq!(advertised_ghz("i7-8550U CPU @ 1.80GHz"), Some(1.8));
        assert_eq!(advertised_ghz("Atom @ 800 MHz"), Some(0.8));
        assert_eq!(advertised_ghz("AMD EPYC"), None);
        assert_eq!(advertised_ghz("x @ fastGHz"), None);
    }

    #[test]
    fn idle_share_counts_waiting_for_disks_as_free_and_stolen_time_as_busy() {
        let before = CpuTimes::parse("cpu  100 0 100 700 100 0 0 0 5 5\ncpu0 1\n").unwrap();
        let after = CpuTimes::parse("cpu  110 0 110 740 120 5 5 10 9 9\n").unwrap();
        assert_eq!(after.free_percent_since(before), Some(60.0));
        assert_eq!(before.free_percent_since(CpuTimes::default()), Some(80.0));
        assert_eq!(before.free_percent_since(before), None);
        assert_eq!(before.free_percent_since(after), None);
    }

    #[test]
    fn a_stat_file_of_another_shape_is_refused() {
        for text in ["", "cpu0 1 2 3 4\n", "cpu 1 2 3\n", "cpu a b c d\n"] {
            assert_eq!(CpuTimes::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_momentary_clock_is_left_out_and_the_text_ends_with_a_whole_line() {
        let text = lasting_text(X86, 85);
        assert!(!text.contains("MHz\t"), "{text}");
        assert!(text.len() <= 85 && text.ends_with("1.80GHz\nphysical id\t: 0\n"), "{text}");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_fail(text in "(cpu|processor|core id|[a-z:0-9 \t\n]){0,60}") {
            let times = CpuTimes::parse(&text).unwrap_or_default();
            if let Some(free) = times.free_percent_since(CpuTimes::default()) {
                prop_assert!((0.0..=100.0).contains(&free));
            }
            let _ = CpuDescription::parse(&text);
            let _ = advertised_ghz(&text);
        }
    }
}
