//! What ranking 10,000 devices for a service costs: milliseconds, the best and the median of several rounds.
//!
//! `cargo run --release --manifest-path benches/ranking/Cargo.toml --target-dir target/benches` prints one line a
//! case, and fails where the best round of a ranking takes 5 ms or more.

use std::hint::black_box;
use std::io::{Error, Write as _};
use std::time::Instant;

use mf2c_domain::time::Timestamp;
use mf2c_placement::document::{Device, Dynamic, Service, SharingModel, UserProfile};
use mf2c_placement::explain::explain;
use mf2c_placement::rank::{Candidate, Load, Request, Settings, rank};
use mf2c_placement::select::{Rule, Wanted, select};
use serde_json::{Value, json};

/// The one of the agent: what becomes of memory that is given back costs as much as the ranking itself.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const DEVICES: u64 = 10_000;
const ROUNDS: usize = 50;
const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
/// A ranking may take so many milliseconds.
const GOAL: f64 = 5.0;

/// All documents of one device, as they are stored.
struct Bodies {
    id: String,
    device: Vec<u8>,
    dynamic: Vec<u8>,
    sharing: Vec<u8>,
    profile: Vec<u8>,
}

/// The same, read.
struct Machine {
    device: Device,
    dynamic: Dynamic,
    sharing: SharingModel,
    profile: UserProfile,
    failures: Vec<Timestamp>,
    load: Load<'static>,
}

/// A number below `bound` that has nothing to do with its neighbours' (the finaliser of SplitMix64).
fn drawn(seed: u64, bound: u64) -> u64 {
    let mut mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) % bound
}

fn bodies(at: u64) -> Bodies {
    let number = |salt, bound| drawn(at * 31 + salt, bound);
    let device = json!({"deviceID": format!("{at:0128x}"), "isLeader": false, "os": "Linux-6.1.0-x86_64-with-debian-12",
        "arch": if number(1, 4) == 0 { "aarch64" } else { "x86_64" }, "cpuManufacturer": "GenuineIntel",
        "physicalCores": 4, "logicalCores": 8, "cpuClockSpeed": "1.8 GHz", "memory": 7873.77, "storage": 195_865.02,
        "agentType": "normal",
        "networkingStandards": "['eth0', 'lo']", "hwloc": "", "cpuinfo": "", "backends": ["docker", "compose"],
        "sensorTypes": ["temperature"], "actuators": ["siren"]});
    let dynamic = json!({"device": {"href": format!("device/{at}")}, "ramFree": number(2, 7873),
        "ramFreePercent": number(2, 7873) / 79,
        "storageFree": number(3, 195_865), "storageFreePercent": number(3, 195_865) / 1959,
        "cpuFreePercent": number(4, 1000) as f64 / 10.0,
        "powerRemainingStatus": "39.7", "powerRemainingStatusSeconds": "unlimited", "powerPlugged": true,
        "status": "connected", "ethernetAddress": "172.18.0.14", "wifiAddress": "Empty",
        "ethernetThroughputInfo": ["1", "2", "3", "4", "0", "0", "0", "0"], "wifiThroughputInfo": ["0"],
        "actuatorInfo": "siren", "updated": "2026-09-21T14:13:10.000Z",
        "sensors": [{"sensorType": "[\"temperature\"]", "sensorModel": "DHT22",
            "sensorConnection": "{\"baudRate\": 5600}"}]});
    let sharing = json!({"device_id": format!("device/{at}"), "gps_allowed": false, "max_cpu_usage": 50,
        "max_memory_usage": 50, "max_storage_usage": 50, "max_bandwidth_usage": 50,
        "battery_limit": 20, "max_apps": 5});
    let profile = json!({"device_id": format!("device/{at}"), "service_consumer": true, "resource_contributor": true});
    let bytes = |value: Value| value.to_string().into_bytes();
    Bodies {
        id: format!("device/{:08x}-fd97-4c86-8e10-{at:012x}", drawn(at, 1 << 32)),
        device: bytes(device),
        dynamic: bytes(dynamic),
        sharing: bytes(sharing),
        profile: bytes(profile),
    }
}

fn read(bodies: &Bodies) -> Option<Machine> {
    let seed = u64::from_str_radix(bodies.id.get(7..15)?, 16).ok()?;
    let failed = drawn(seed, 10) == 0;
    let failures =
        failed.then(|| Timestamp::from_millis(1_790_000_000_000 - i64::try_from(drawn(seed, 3_600_000)).unwrap_or(0)));
    Some(Machine {
        device: Device::read(&bodies.id, &bodies.device)?,
        dynamic: Dynamic::read(&bodies.dynamic)?,
        sharing: SharingModel::read("sharing-model/1", &bodies.sharing)?,
        profile: UserProfile::read("user-profile/1", &bodies.profile)?,
        failures: failures.into_iter().collect(),
        load: Load { apps: u32::from(failed), same_service: u32::from(seed.is_multiple_of(7)), ..Load::default() },
    })
}

/// The best and the median of several rounds, in milliseconds.
fn measure<T>(mut round: impl FnMut() -> T) -> (f64, f64) {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            let made = black_box(round());
            let took = started.elapsed().as_secs_f64() * 1e3;
            drop(made);
            took
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[0], times[ROUNDS / 2])
}

fn main() -> Result<(), Error> {
    let mut out = std::io::stdout();
    let stored: Vec<Bodies> = (0..DEVICES).map(bodies).collect();
    let machines = || stored.iter().map(read).collect::<Option<Vec<_>>>();
    let (best, median) = measure(machines);
    writeln!(out, "{best:8.2} ms at best, {median:8.2} ms in the middle: reading all four documents of each device")?;
    let machines = machines().ok_or_else(|| Error::other("a document is not read"))?;
    let candidates: Vec<Candidate<'_>> = machines
        .iter()
        .map(|it| Candidate {
            dynamic: Some(&it.dynamic),
            sharing: Some(&it.sharing),
            profile: Some(&it.profile),
            failures: &it.failures,
            load: it.load,
            ..Candidate::new(&it.device)
        })
        .collect();
    let mut slow = Vec::new();
    for (name, wants) in [
        ("all fit", json!({})),
        (
            "half fit",
            json!({"memory_min": 2500, "cpu_arch": "x86-64", "os": "linux", "category": 15,
                "req_resource": ["temperature"],
            "opt_resource": ["siren", "camera"], "cpu_recommended": 0.2}),
        ),
        (
            "none fits, for ten reasons",
            json!({"memory_min": 9000, "cpu_arch": "riscv64", "os": "mac", "storage_min": 900_000,
            "req_resource": ["lidar", "gps"], "exec_type": "kubernetes", "agent_type": "cloud"}),
        ),
    ] {
        let mut body = json!({"name": "s", "exec": "i", "exec_type": "docker", "agent_type": "normal"});
        if let (Some(body), Value::Object(wants)) = (body.as_object_mut(), wants) {
            body.extend(wants);
        }
        let service =
            Service::read("service/1", body.to_string().as_bytes()).ok_or_else(|| Error::other("no service"))?;
        let request = Request {
            service: &service,
            requester: None,
            requester_profile: None,
            failed: &[],
            settings: Settings::default(),
        };
        let (best, median) = measure(|| rank(&request, &candidates, NOW));
        let ranking = rank(&request, &candidates, NOW);
        let fit = ranking.ranked.len();
        writeln!(out, "{best:8.2} ms at best, {median:8.2} ms in the middle: ranking where {name} ({fit})")?;
        if best >= GOAL {
            slow.push(name);
        }
        let wanted = Wanted::of(&service);
        let (best, median) = measure(|| {
            let outcome = select(&ranking, wanted, Rule::of(&service, wanted));
            serde_json::to_vec(&explain(&service, &ranking, wanted, &outcome)).map(|json| json.len())
        });
        writeln!(
            out,
            "{best:8.2} ms at best, {median:8.2} ms in the middle: selecting, explaining and writing it as JSON"
        )?;
    }
    if slow.is_empty() { Ok(()) } else { Err(Error::other(format!("{GOAL} ms or more: {}", slow.join(", ")))) }
}
