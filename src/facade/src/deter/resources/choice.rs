//! Which devices an experiment may run on: those of the computers that it asks for and that its user may use.

use std::collections::BTreeMap;

use mf2c_domain::testbed::Asker;
use mf2c_domain::testbed::computer::{Computer, Deed};
use mf2c_store::StoreError;

use super::computers::DEVICE;
use crate::cimi::Api;
use crate::deter::testbed::{Members, all};

/// The computers of the testbed, and what one user may do with them.
pub(crate) struct Choice {
    /// By the device that each is: its name, its type, and whether the user may use it.
    computers: Vec<Machine>,
    /// The devices of the area.
    devices: Vec<String>,
}

struct Machine {
    device: String,
    name: String,
    kind: String,
    may_use: bool,
}

impl Choice {
    pub(crate) async fn read(api: &Api, by: Asker<'_>) -> Result<Self, StoreError> {
        let held = all::<Computer>(api, "computer").await?;
        let classes: BTreeMap<&str, &Computer> = held
            .iter()
            .filter(|held| held.value.name.is_none())
            .map(|held| (held.value.kind.as_str(), &held.value))
            .collect();
        let members = Members::new(api);
        let machine = |computer: &Computer| {
            let class = classes.get(computer.kind.as_str()).copied();
            Some(Machine {
                device: computer.device.clone()?,
                name: computer.name.clone()?,
                kind: computer.kind.clone(),
                may_use: computer.grants(by, Deed::Use, class, &members),
            })
        };
        let computers = held.iter().filter_map(|held| machine(&held.value)).collect();
        let devices = api.store.all("device").iter().map(|document| document.id.as_str().to_owned()).collect();
        Ok(Self { computers, devices })
    }

    /// The devices for an element that asks for a type of computers, or for one by its name. None means all: nothing is asked
    /// for, and nothing is kept from the user. Devices that no computer names are for everybody, as in CIMI.
    pub(crate) fn devices(&self, kind: Option<&str>, name: Option<&str>) -> Option<Vec<String>> {
        if kind.is_none() && name.is_none() {
            let closed = |device: &String| {
                self.computers.iter().any(|it| it.device == *device)
                    && !self.computers.iter().any(|it| it.device == *device && it.may_use)
            };
            if !self.devices.iter().any(closed) {
                return None;
            }
            return Some(self.devices.iter().filter(|device| !closed(device)).cloned().collect());
        }
        let is_wanted = |it: &&Machine| {
            it.may_use && kind.is_none_or(|kind| it.kind == kind) && name.is_none_or(|name| it.name == name)
        };
        let mut devices: Vec<String> = self.computers.iter().filter(is_wanted).map(|it| it.device.clone()).collect();
        // Those that no computer names are shown as computers themselves: of this type, by the names of their documents.
        let undescribed = self.devices.iter().filter(|device| !self.computers.iter().any(|it| it.device == **device));
        let is_wanted = |device: &&String| {
            kind.is_none_or(|kind| kind == DEVICE)
                && name.is_none_or(|name| device.strip_prefix(DEVICE).and_then(|it| it.strip_prefix('/')) == Some(name))
        };
        devices.extend(undescribed.filter(is_wanted).cloned());
        devices.sort();
        devices.dedup();
        Some(devices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice() -> Choice {
        let machine = |device: &str, name: &str, kind: &str, may_use: bool| Machine {
            device: format!("device/{device}"),
            name: name.to_owned(),
            kind: kind.to_owned(),
            may_use,
        };
        let computers = vec![machine("a", "pc1", "pc", true), machine("b", "pc2", "pc", false)];
        Choice { computers, devices: ["device/a", "device/b", "device/c"].map(str::to_owned).into() }
    }

    #[test]
    fn an_element_runs_where_it_asks_for_and_where_its_user_may() {
        let choice = choice();
        let devices = |kind, name| choice.devices(kind, name);
        assert_eq!(devices(None, None).unwrap(), ["device/a", "device/c"]);
        assert_eq!(devices(Some("pc"), None).unwrap(), ["device/a"]);
        assert_eq!(devices(None, Some("pc1")).unwrap(), ["device/a"]);
        for none in [devices(None, Some("pc2")), devices(Some("mac"), None), devices(Some("mac"), Some("pc1"))] {
            assert!(none.unwrap().is_empty());
        }
        assert_eq!(devices(Some("device"), None).unwrap(), ["device/c"]);
        assert_eq!(devices(None, Some("c")).unwrap(), ["device/c"]);
        assert!(devices(Some("device"), Some("b")).unwrap().is_empty(), "it is described as something else");
        let open = Choice { computers: vec![], ..choice };
        assert_eq!(open.devices(None, None), None);
    }
}
