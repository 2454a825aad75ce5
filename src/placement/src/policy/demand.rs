//! What a service takes of a device.

use serde::Serialize;

use crate::document::{Device, Service};
use crate::units::{Mebibytes, Percent};

/// What is taken of a device, in percent of what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Shares {
    /// Of processor time.
    pub cpu: Percent,
    /// Of main memory.
    pub memory: Percent,
    /// Of disk space.
    pub storage: Percent,
    /// Of network bandwidth.
    pub bandwidth: Percent,
}

impl Shares {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.plus(other.cpu),
            memory: self.memory.plus(other.memory),
            storage: self.storage.plus(other.storage),
            bandwidth: self.bandwidth.plus(other.bandwidth),
        }
    }
}

/// What a service takes: amounts where its author said so, else the shares that were seen (`*_recommended`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demand {
    memory: Mebibytes,
    storage: Mebibytes,
    shares: Shares,
}

impl Demand {
    /// What this service takes. Of `storage_min` and `disk` the larger counts, and of `memory_min` and `limits.memory`: what it may
    /// take the owner must lend.
    #[must_use]
    pub fn of(service: &Service) -> Self {
        let shares = Shares {
            cpu: service.cpu_share,
            memory: service.memory_share,
            storage: service.disk_share,
            bandwidth: service.network_share,
        };
        let memory = service.memory_min.max(service.memory_limit);
        Self { memory, storage: service.storage_min.max(service.disk), shares }
    }

    /// Main memory on this device.
    #[must_use]
    pub fn memory_on(&self, device: &Device) -> Mebibytes {
        amount(self.memory, self.shares.memory, device.memory)
    }

    /// Disk space on this device.
    #[must_use]
    pub fn storage_on(&self, device: &Device) -> Mebibytes {
        amount(self.storage, self.shares.storage, device.storage)
    }

    /// The shares of this device. An amount of a capacity that is not known is all of it.
    #[must_use]
    pub fn shares_on(&self, device: &Device) -> Shares {
        Shares {
            memory: share(self.memory, self.shares.memory, device.memory),
            storage: share(self.storage, self.shares.storage, device.storage),
            ..self.shares
        }
    }
}

fn amount(said: Mebibytes, seen: Percent, capacity: Option<Mebibytes>) -> Mebibytes {
    if said > Mebibytes::ZERO { said } else { capacity.unwrap_or_default().part(seen) }
}

fn share(said: Mebibytes, seen: Percent, capacity: Option<Mebibytes>) -> Percent {
    if said > Mebibytes::ZERO { said.share_of(capacity.unwrap_or_default()) } else { seen }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_author_says_goes_before_what_was_seen() {
        let service = |body: &str| Demand::of(&Service::read("service/1", body.as_bytes()).unwrap());
        let device = Device::read("device/1", br#"{"memory":1024,"storage":1000}"#).unwrap();
        let unknown = Device::read("device/2", b"{}").unwrap();
        let said = service(
            r#"{"memory_min":256,"memory_recommended":0.9,"storage_min":100,"disk":300,"cpu_recommended":0.5}"#,
        );
        let shares = said.shares_on(&device);
        assert_eq!(
            (shares.cpu, shares.memory, shares.storage),
            (Percent::whole(50), Percent::whole(25), Percent::whole(30))
        );
        assert_eq!(Some(said.memory_on(&device)), Mebibytes::new(256.0));
        assert_eq!(said.shares_on(&unknown).memory, Percent::FULL);
        let seen = service(r#"{"memory_recommended":0.25,"disk_recommended":0.1}"#);
        assert_eq!(seen.shares_on(&unknown).memory, Percent::whole(25));
        assert_eq!(Some(seen.memory_on(&device)), Mebibytes::new(256.0));
        assert_eq!(Some(seen.storage_on(&device)), Mebibytes::new(100.0));
        assert_eq!(seen.storage_on(&unknown), Mebibytes::ZERO);
    }
}
