//! [`SystemMachine`]: the machine this process runs on, read through sysinfo, `/proc` and `/sys`.
//!
//! Nothing here fails: in a container, without root or on another system files are missing, and what they would have told
//! stays unknown.

use std::net::IpAddr;
use std::path::Path;

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, Networks, System};

use crate::cpu::{CpuDescription, CpuTimes, advertised_ghz, lasting_text};
use crate::network;
use crate::port::{Facts, Interface, InterfaceKind, Machine, Sample, address_rank};
use crate::power::read_power;
use crate::roots::{Roots, read_number, read_text};
use crate::storage::{DataDisk, mib};
use crate::topology::hwloc_xml;

/// Bytes of `/proc/cpuinfo` that go into the document.
const CPUINFO_KEPT: usize = 64 * 1024;
/// Bytes of it that are read to count processors: 1.5 KB each on x86.
const CPUINFO_READ: u64 = 2 * 1024 * 1024;
/// The first line of `/proc/stat` is all that is needed of it.
const STAT_READ: u64 = 512;

/// The real machine.
pub struct SystemMachine {
    roots: Roots,
    /// `None` on a system that sysinfo does not know.
    system: Option<System>,
    networks: Option<Networks>,
    disk: DataDisk,
    /// Processor times at the last sample, zero (boot) before the first.
    cpu_times: CpuTimes,
    cpu_free_percent: Option<f64>,
    /// Without `/proc/stat`, sysinfo's second reading is the first that means something.
    cpu_seen: bool,
}

impl SystemMachine {
    /// The machine described below `roots`; `data_dir` (which need not exist yet) tells the disk that counts as storage.
    #[must_use]
    pub fn new(roots: Roots, data_dir: &Path) -> Self {
        Self {
            roots,
            system: System::new().ok(),
            networks: Networks::new().ok(),
            disk: DataDisk::of(data_dir),
            cpu_times: CpuTimes::default(),
            cpu_free_percent: None,
            cpu_seen: false,
        }
    }

    /// Free and total memory in MiB.
    fn memory(&mut self) -> (f64, f64) {
        self.system.as_mut().map_or((0.0, 0.0), |system| {
            system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
            (mib(system.available_memory()), mib(system.total_memory()))
        })
    }

    fn interfaces(&mut self) -> Vec<Interface> {
        let listed = self.networks.as_mut().map_or_else(Vec::new, |networks| {
            networks.refresh(true);
            network::listed(networks)
        });
        network::complete(listed, &self.roots)
    }

    fn cpu_free_percent(&mut self) -> Option<f64> {
        let stat = read_text(&self.roots.proc.join("stat"), STAT_READ);
        let Some(times) = stat.as_deref().and_then(CpuTimes::parse) else {
            return self.cpu_free_percent_elsewhere();
        };
        // Two samples within one tick of the kernel's clock tell nothing new.
        self.cpu_free_percent = times.free_percent_since(self.cpu_times).or(self.cpu_free_percent);
        self.cpu_times = times;
        self.cpu_free_percent
    }

    fn cpu_free_percent_elsewhere(&mut self) -> Option<f64> {
        let system = self.system.as_mut()?;
        system.refresh_cpu_usage();
        let seen = std::mem::replace(&mut self.cpu_seen, true);
        (seen && !system.cpus().is_empty()).then(|| 100.0 - f64::from(system.global_cpu_usage()).clamp(0.0, 100.0))
    }

    fn load_average(&self) -> [f64; 3] {
        let text = read_text(&self.roots.proc.join("loadavg"), 128).unwrap_or_default();
        let loads: Vec<f64> = text.split_ascii_whitespace().take(3).filter_map(|load| load.parse().ok()).collect();
        <[f64; 3]>::try_from(loads)
            .unwrap_or_else(|_| System::load_average().map_or([0.0; 3], |load| [load.one, load.five, load.fifteen]))
    }

    /// Name, maker and nominal clock as sysinfo knows them, for systems without `/proc/cpuinfo`.
    fn cpu_elsewhere(&mut self) -> CpuElsewhere {
        let Some(system) = self.system.as_mut() else { return CpuElsewhere::default() };
        system.refresh_cpu_list(CpuRefreshKind::nothing().with_frequency());
        let first = system.cpus().first();
        CpuElsewhere {
            brand: first.map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default(),
            vendor: first.map(|cpu| cpu.vendor_id().trim().to_owned()).unwrap_or_default(),
            mhz: first.map(|cpu| cpu.frequency() as f64).filter(|mhz| *mhz > 0.0),
            logical: system.cpus().len() as u64,
            physical: System::physical_core_count().unwrap_or(0) as u64,
        }
    }

    /// The nominal clock: as advertised, else the base, else the highest frequency (kHz, cpufreq), else the present one.
    fn clock(&self, cpu: &CpuDescription, elsewhere: &CpuElsewhere) -> String {
        let cpufreq = self.roots.sys.join("devices/system/cpu/cpu0/cpufreq");
        let khz = |file: &str| read_number(&cpufreq.join(file)).map(|khz| khz / 1e6);
        advertised_ghz(&cpu.name)
            .or_else(|| khz("base_frequency"))
            .or_else(|| khz("cpuinfo_max_freq"))
            .or_else(|| cpu.momentary_mhz.map(|mhz| mhz / 1e3))
            .or_else(|| elsewhere.mhz.map(|mhz| mhz / 1e3))
            .filter(|ghz| ghz.is_finite() && *ghz > 0.0)
            .map_or_else(String::new, |ghz| format!("{ghz:.4} GHz"))
    }
}

/// The address by which other machines most likely find this one: that of the interface with the way out, else the most
/// useful one. None if there is only the machine's own.
#[must_use]
pub fn own_address(roots: &Roots) -> Option<IpAddr> {
    let networks = Networks::new().ok().map(|mut networks| {
        networks.refresh(true);
        networks
    });
    let interfaces = network::complete(networks.iter().flat_map(network::listed).collect(), roots);
    let others = interfaces.iter().filter(|interface| interface.kind != InterfaceKind::Loopback);
    let ranked = others.filter_map(|interface| {
        let address = interface.addresses.first()?;
        Some(((!interface.default_route, interface.kind, address_rank(address)), *address))
    });
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, address)| address)
}

#[derive(Default)]
struct CpuElsewhere {
    brand: String,
    vendor: String,
    mhz: Option<f64>,
    logical: u64,
    physical: u64,
}

impl Machine for SystemMachine {
    fn facts(&mut self) -> Facts {
        let text = read_text(&self.roots.proc.join("cpuinfo"), CPUINFO_READ).unwrap_or_default();
        let cpu = CpuDescription::parse(&text);
        let elsewhere = self.cpu_elsewhere();
        let logical = first_known([cpu.logical, elsewhere.logical, 1]);
        let names = [cpu.name.as_str(), &elsewhere.brand, &elsewhere.vendor];
        Facts {
            os: operating_system(),
            arch: System::cpu_arch(),
            cpu_manufacturer: names.into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned(),
            cpu_clock_speed: self.clock(&cpu, &elsewhere),
            physical_cores: first_known([cpu.physical, elsewhere.physical, logical]).min(logical),
            logical_cores: logical,
            memory_mib: self.memory().1,
            storage_mib: self.disk.read().map_or(0.0, |storage| storage.total_mib),
            hwloc: hwloc_xml(),
            cpuinfo: lasting_text(&text, CPUINFO_KEPT),
            interfaces: self.interfaces(),
        }
    }

    fn sample(&mut self) -> Sample {
        let (memory_free_mib, memory_total_mib) = self.memory();
        Sample {
            memory_free_mib,
            memory_total_mib,
            storage: self.disk.read(),
            cpu_free_percent: self.cpu_free_percent(),
            load_average: self.load_average(),
            interfaces: self.interfaces(),
            power: read_power(&self.roots.sys),
        }
    }
}

fn first_known(counts: [u64; 3]) -> u64 {
    counts.into_iter().find(|count| *count > 0).unwrap_or(0)
}

/// `Linux-6.1.0-x86_64-with-debian-12`, with what is unknown left out.
fn operating_system() -> String {
    let mut name = std::env::consts::OS.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let kernel = System::kernel_version().unwrap_or_default();
    let mut parts = vec![name, kernel, System::cpu_arch()];
    if let Ok(version) = System::os_version() {
        parts.extend(["with".to_owned(), System::distribution_id(), version]);
    }
    parts.retain(|part| !part.trim().is_empty());
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::{InterfaceKind, Power};
    use crate::roots::fixture::Tree;

    #[test]
    fn the_real_machine_gives_sane_values() {
        let directory = tempfile::tempdir().unwrap();
        let mut machine = SystemMachine::new(Roots::default(), directory.path());
        let facts = machine.facts();
        assert!(facts.memory_mib > 0.0 && facts.storage_mib > 0.0);
        assert!(facts.physical_cores >= 1 && facts.logical_cores >= facts.physical_cores);
        assert!(!facts.os.is_empty() && !facts.arch.is_empty());
        assert!(facts.interfaces.iter().any(|interface| interface.kind == InterfaceKind::Loopback));
        let sample = machine.sample();
        assert!(sample.memory_free_mib > 0.0 && sample.memory_free_mib <= sample.memory_total_mib);
        let storage = sample.storage.unwrap();
        assert!(storage.free_mib <= storage.total_mib && storage.total_mib == facts.storage_mib);
        assert!(sample.cpu_free_percent.is_none_or(|free| (0.0..=100.0).contains(&free)));
    }

    #[test]
    fn the_first_sample_tells_the_load_since_boot_and_the_next_the_load_since_then() {
        let tree = Tree::new(&[("proc/stat", "cpu 50 0 0 50 0 0 0 0\n"), ("proc/loadavg", "0.5 1.5 2.5 1/9 7\n")]);
        let mut machine = SystemMachine::new(tree.roots(), Path::new("/"));
        let first = machine.sample();
        assert_eq!((first.cpu_free_percent, first.load_average), (Some(50.0), [0.5, 1.5, 2.5]));
        assert_eq!(machine.sample().cpu_free_percent, Some(50.0));
        tree.write("proc/stat", "cpu 60 0 0 140 0 0 0 0\n");
        assert_eq!(machine.sample().cpu_free_percent, Some(90.0));
    }

    #[test]
    fn without_proc_and_sys_nothing_fails_and_the_first_sample_does_not_call_the_processor_free() {
        let mut machine = SystemMachine::new(Tree::new(&[]).roots(), Path::new("/"));
        let sample = machine.sample();
        assert_eq!((sample.cpu_free_percent, sample.power), (None, Power::default()));
        let facts = machine.facts();
        assert_eq!(facts.cpuinfo, "");
        assert!(facts.logical_cores >= 1);
    }

    #[test]
    fn the_nominal_clock_is_told_and_not_the_momentary_one() {
        let tree = Tree::new(&[
            ("proc/cpuinfo", "processor : 0\nmodel name : Some CPU\ncpu MHz : 800.0\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "2400000\n"),
        ]);
        let facts = SystemMachine::new(tree.roots(), Path::new("/")).facts();
        assert_eq!(facts.cpu_clock_speed, "2.4000 GHz");
        assert_eq!((facts.cpu_manufacturer.as_str(), facts.logical_cores), ("Some CPU", 1));
    }
}
