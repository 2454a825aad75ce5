//! Batteries and mains, from `/sys/class/power_supply` (sysfs-class-power in the kernel's ABI documents).

use std::path::{Path, PathBuf};

use crate::port::{Battery, BatteryState, Power};
use crate::roots::{entries, read_number, read_word};

/// Reads all supplies below `sys`. Without a readable one the machine counts as plugged in.
pub(crate) fn read_power(sys: &Path) -> Power {
    let supplies = entries(&sys.join("class/power_supply"));
    let kind = |path: &&PathBuf, wanted: &[&str]| {
        read_word(&path.join("type")).is_some_and(|kind| wanted.contains(&kind.as_str()))
    };
    // A mouse's or a headset's battery says `Device`; an empty bay is present = 0.
    let cells: Vec<Cell> = supplies
        .iter()
        .filter(|path| kind(path, &["Battery"]))
        .filter(|path| read_word(&path.join("scope")).as_deref() != Some("Device"))
        .filter(|path| read_number(&path.join("present")) != Some(0.0))
        .filter_map(|path| Cell::read(path))
        .collect();
    let mains: Vec<f64> = supplies
        .iter()
        .filter(|path| kind(path, &["Mains", "USB", "Wireless"]))
        .filter_map(|path| read_number(&path.join("online")))
        .collect();
    let battery = together(&cells);
    let plugged = match battery {
        None => true,
        // Boards without a mains entry still tell by the battery's behaviour.
        Some(battery) if mains.is_empty() => {
            !matches!(battery.state, BatteryState::Discharging | BatteryState::Unknown)
        }
        Some(_) => mains.iter().any(|online| *online > 0.0),
    };
    Power { battery, plugged }
}

/// One battery.
struct Cell {
    percent: f64,
    state: BatteryState,
    /// What is left and the rate at which it goes, per hour: in µWh and µW, or in µAh and µA.
    left: Option<(Unit, f64, f64)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Energy,
    Charge,
}

impl Cell {
    fn read(path: &Path) -> Option<Self> {
        let pair = |unit, now: &str, rate: &str| {
            // Some drivers give the outgoing current a minus.
            Some((unit, read_number(&path.join(now))?, read_number(&path.join(rate))?.abs()))
        };
        let fill = |now: &str, full: &str| {
            let full = read_number(&path.join(full)).filter(|full| *full > 0.0)?;
            Some(100.0 * read_number(&path.join(now))? / full)
        };
        let percent = read_number(&path.join("capacity"))
            .or_else(|| fill("energy_now", "energy_full"))
            .or_else(|| fill("charge_now", "charge_full"))?;
        Some(Self {
            percent: percent.clamp(0.0, 100.0),
            state: match read_word(&path.join("status")).as_deref() {
                Some("Charging") => BatteryState::Charging,
                Some("Discharging") => BatteryState::Discharging,
                Some("Full") => BatteryState::Full,
                Some("Not charging") => BatteryState::Idle,
                _ => BatteryState::Unknown,
            },
            left: pair(Unit::Energy, "energy_now", "power_now")
                .or_else(|| pair(Unit::Charge, "charge_now", "current_now")),
        })
    }
}

/// Several batteries as one: laptops empty one after the other, so their contents and their rates are added.
fn together(cells: &[Cell]) -> Option<Battery> {
    let first = cells.first()?;
    let has = |state| cells.iter().any(|cell| cell.state == state);
    let state = if has(BatteryState::Discharging) {
        BatteryState::Discharging
    } else if has(BatteryState::Charging) {
        BatteryState::Charging
    } else {
        first.state
    };
    let percent = cells.iter().map(|cell| cell.percent).sum::<f64>() / cells.len() as f64;
    let seconds_left = match state {
        BatteryState::Discharging => seconds_left(cells),
        _ => None,
    };
    Some(Battery { percent, state, seconds_left })
}

fn seconds_left(cells: &[Cell]) -> Option<u64> {
    let lefts = cells.iter().map(|cell| cell.left).collect::<Option<Vec<_>>>()?;
    let unit = lefts.first()?.0;
    if lefts.iter().any(|left| left.0 != unit) {
        return None;
    }
    let (now, rate) = lefts.iter().fold((0.0, 0.0), |(now, rate), left| (now + left.1, rate + left.2));
    (rate > 0.0 && now >= 0.0).then(|| (3600.0 * now / rate) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roots::fixture::Tree;

    fn power(files: &[(&str, &str)]) -> Power {
        let files: Vec<(String, &str)> =
            files.iter().map(|(path, text)| (format!("sys/class/power_supply/{path}"), *text)).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        read_power(&Tree::new(&files).roots().sys)
    }

    #[test]
    fn a_machine_without_supplies_is_plugged_in_for_ever() {
        assert_eq!(power(&[]), Power { battery: None, plugged: true });
        assert_eq!(power(&[("AC/type", "Mains\n"), ("AC/online", "0\n")]), Power::default());
    }

    #[test]
    fn a_discharging_laptop_tells_charge_and_time_left() {
        let power = power(&[
            ("AC/type", "Mains\n"),
            ("AC/online", "0\n"),
            ("BAT0/type", "Battery\n"),
            ("BAT0/present", "1\n"),
            ("BAT0/capacity", "40\n"),
            ("BAT0/status", "Discharging\n"),
            ("BAT0/energy_now", "20000000\n"),
            ("BAT0/power_now", "10000000\n"),
        ]);
        let battery = Battery { percent: 40.0, state: BatteryState::Discharging, seconds_left: Some(7200) };
        assert_eq!(power, Power { battery: Some(battery), plugged: false });
    }

    #[test]
    fn two_batteries_count_as_one() {
        let mut files = vec![("AC/type", "Mains"), ("AC/online", "0")];
        files.extend([("BAT0/type", "Battery"), ("BAT0/capacity", "80"), ("BAT0/status", "Not charging")]);
        files.extend([("BAT0/charge_now", "2000000"), ("BAT0/current_now", "0")]);
        files.extend([("BAT1/type", "Battery"), ("BAT1/capacity", "20"), ("BAT1/status", "Discharging")]);
        files.extend([("BAT1/charge_now", "1000000"), ("BAT1/current_now", "-1000000")]);
        let battery = power(&files).battery.unwrap();
        assert_eq!(battery, Battery { percent: 50.0, state: BatteryState::Discharging, seconds_left: Some(10_800) });
    }

    #[test]
    fn a_board_without_a_mains_entry_is_plugged_in_while_it_charges() {
        let mut files = vec![("BAT0/type", "Battery"), ("BAT0/status", "Charging")];
        files.extend([("BAT0/energy_now", "1"), ("BAT0/energy_full", "4")]);
        let charging = power(&files);
        assert_eq!((charging.plugged, charging.battery.unwrap().percent), (true, 25.0));
        assert_eq!(charging.battery.unwrap().seconds_left, None);
        files[1].1 = "Discharging";
        assert!(!power(&files).plugged);
    }

    #[test]
    fn a_mouse_an_empty_bay_and_a_broken_battery_are_no_battery() {
        let power = power(&[
            ("hidpp/type", "Battery"),
            ("hidpp/scope", "Device"),
            ("hidpp/capacity", "3"),
            ("BAT0/type", "Battery"),
            ("BAT0/present", "0"),
            ("BAT0/capacity", "0"),
            ("BAT1/type", "Battery"),
            ("BAT1/capacity", "not a number"),
        ]);
        assert_eq!(power, Power::default());
    }
}
