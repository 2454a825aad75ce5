//! The machine of a simulated agent: what it is follows from its number, how it is doing from its chance.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::Clock;
use mf2c_machine::{Counters, Facts, Interface, InterfaceKind, Machine, Power, Sample, Storage};

/// See the module.
pub struct MadeUpMachine {
    host: usize,
    address: IpAddr,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    cpu_free: f64,
    memory_free: f64,
    sampled: Duration,
}

impl MadeUpMachine {
    /// A machine with this address.
    #[must_use]
    pub fn new(host: usize, address: IpAddr, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let memory_free = memory(host) / 2.0;
        Self { host, address, clock, entropy, cpu_free: 70.0, memory_free, sampled: Duration::ZERO }
    }

    /// From -1 to 1.
    fn step(&self) -> f64 {
        let mut byte = [0];
        self.entropy.fill(&mut byte);
        f64::from(byte[0]) / 127.5 - 1.0
    }

    fn wire(&self) -> Interface {
        let seconds = self.clock.elapsed().as_secs();
        Interface {
            name: "eth0".to_owned(),
            kind: InterfaceKind::Ethernet,
            mac: format!("02:00:00:00:{:02x}:{:02x}", self.host >> 8 & 0xff, self.host & 0xff),
            addresses: vec![self.address],
            default_route: true,
            counters: Counters { bytes_sent: seconds * 1000, bytes_received: seconds * 3000, ..Counters::default() },
        }
    }
}

/// Main memory in MiB.
fn memory(host: usize) -> f64 {
    [1024.0, 2048.0, 4096.0, 8192.0][host % 4]
}

impl Machine for MadeUpMachine {
    fn facts(&mut self) -> Facts {
        Facts {
            os: "Linux-6.1.0-aarch64-with-debian-12".to_owned(),
            arch: "aarch64".to_owned(),
            cpu_manufacturer: "made up".to_owned(),
            cpu_clock_speed: "1.5000 GHz".to_owned(),
            physical_cores: 4,
            logical_cores: 4,
            memory_mib: memory(self.host),
            storage_mib: 16_384.0,
            interfaces: vec![self.wire()],
            ..Facts::default()
        }
    }

    fn sample(&mut self) -> Sample {
        self.sampled = self.clock.elapsed();
        self.cpu_free = (self.cpu_free + self.step() * 4.0).clamp(1.0, 99.0);
        let total = memory(self.host);
        self.memory_free = (self.memory_free + self.step() * total / 50.0).clamp(total / 20.0, total * 0.95);
        Sample {
            memory_free_mib: self.memory_free.round(),
            memory_total_mib: total,
            storage: Some(Storage { total_mib: 16_384.0, free_mib: 9000.0 }),
            cpu_free_percent: Some((self.cpu_free * 10.0).round() / 10.0),
            load_average: [0.5, 0.4, 0.3],
            interfaces: vec![self.wire()],
            power: Power::default(),
        }
    }
}
