//! Random documents of real types, with odd values where a type allows any, and random questions about them.

use mf2c_domain::entropy::Entropy as _;
use serde_json::{Value, json};

use crate::world::{Seed, service};

/// The types that the histories use.
pub(crate) const KINDS: [&str; 5] = ["service", "device-dynamic", "sla-violation", "service-operation-report", "event"];

/// One of several.
pub(crate) fn pick<T: Clone>(seed: &Seed, of: &[T]) -> T {
    of[(seed.next() % of.len() as u64) as usize].clone()
}

/// A value of any kind that JSON has, from a small pool so that equal ones meet.
pub(crate) fn odd(seed: &Seed) -> Value {
    match seed.next() % 26 {
        0 | 1 => Value::Null,
        2 | 3 => json!(seed.next().is_multiple_of(2)),
        4..=7 => json!(seed.next() % 9),
        8 => json!(-((seed.next() % 4) as i64)),
        9 => json!(9_007_199_254_740_992_i64 + (seed.next() % 3) as i64),
        10 => json!(pick(seed, &[i64::MIN, i64::MAX, -9_007_199_254_740_993])),
        11 => json!(pick(seed, &[u64::MAX, 1 << 63])),
        12 => json!(pick(seed, &[0.5, -0.0, 2.0, 1e300, -1e300, -1e19, 9_007_199_254_740_992.0])),
        13 | 14 => {
            json!(pick(seed, &["2019-06-14T18:06:24.203Z", "2019-06-14T18:06:24.204Z", "2012-01-01T00:00:00.000Z"]))
        }
        15 => json!(pick(
            seed,
            &["2019-06-14T20:06:24.203+02:00", "2019-06-14T18:06:24.203000001Z", "2012-01", "2012-01-02"]
        )),
        16 => json!(pick(seed, &["9999-12-31T23:59:59Z", "0001-01-01T00:00:00.000Z", "2012-13", "2012-01-02T"])),
        17..=19 => {
            json!(pick(seed, &["Edge", "edge node", "node-7", "edge", "", "3", "2.0", "true", "null", "é'\"\\"]))
        }
        20 => json!([]),
        21 => json!([null]),
        22 => json!([null, 1]),
        23 => json!([odd(seed), odd(seed)]),
        24 => json!({"y": odd(seed)}),
        _ => json!([{"y": odd(seed)}, {"y": 3}, [1]]),
    }
}

fn instant(seed: &Seed) -> Value {
    json!(pick(
        seed,
        &["2019-06-14T18:06:24.203Z", "2019-06-14T18:06:24Z", "2020-01-01T00:00:00+01:00", "2018-01-16T17:09:45.010Z"]
    ))
}

/// A body that its type accepts.
pub(crate) fn body(kind: &str, seed: &Seed) -> Value {
    let number = seed.next() % 12;
    let mut body = match kind {
        "service" => {
            let mut body = service(pick(seed, &["alpha", "beta", "gamma delta", "2012-01-02"]));
            body["num_agents"] = json!(number);
            body["exec_ports"] = json!(vec![8080 + number; (number % 3) as usize]);
            body["req_resource"] = json!(["camera", "sensor"][..(number % 3) as usize]);
            body["cpu_recommended"] = json!(number as f64 / 12.0);
            body
        }
        "device-dynamic" => json!({
            "device": {"href": format!("device/d{number}")}, "ramFree": number as f64 / 4.0, "ramFreePercent": 50.0,
            "storageFree": 10.0, "storageFreePercent": number, "cpuFreePercent": 9.5, "powerRemainingStatus": "unlimited",
            "powerRemainingStatusSeconds": "unlimited", "powerPlugged": number < 6, "ethernetAddress": "e",
            "wifiAddress": "w", "ethernetThroughputInfo": ["1", "2"], "wifiThroughputInfo": [], "actuatorInfo": "a",
            "sensors": [{"sensorType": "temperature"}, {"sensorType": number.to_string()}],
        }),
        "sla-violation" => json!({
            "agreement_id": {"href": "agreement/a"}, "guarantee": pick(seed, &["fast", "near"]), "datetime": instant(seed),
            "constraint": "x<1", "values": {"x": odd(seed), "w": odd(seed)},
        }),
        "service-operation-report" => json!({
            "requesting_application_id": {"href": "service-instance/i"}, "operation_name": pick(seed, &["run", "stop"]),
            "execution_length": number as f64 / 3.0, "operation_id": number.to_string(), "start_time": instant(seed),
        }),
        _ => json!({
            "timestamp": instant(seed), "type": pick(seed, &["state", "alarm"]), "severity": "low",
            "content": {"resource": {"href": format!("device/d{number}")}, "state": "UP"},
        }),
    };
    if seed.next().is_multiple_of(3) {
        body["description"] = json!(pick(seed, &["Ground Floor", "roof", "2019-06-14T18:06:24.203Z", "ground"]));
    }
    if seed.next().is_multiple_of(4) {
        body["properties"] = json!({"p": pick(seed, &["1", "2", "long text"])});
    }
    body
}

/// Changes to a document of any type, some of which its type refuses.
pub(crate) fn changes(kind: &str, seed: &Seed) -> Value {
    match (kind, seed.next() % 6) {
        (_, 0) => json!({"description": "edited", "id": "ignored"}),
        ("sla-violation", _) => json!({"values": {"x": odd(seed)}}),
        ("service", 1) => json!({"num_agents": "many"}),
        ("service", _) => json!({"num_agents": seed.next() % 12, "os": "linux"}),
        ("device-dynamic", 1) => json!({"status": pick(seed, &["asleep", "connected", "disconnected"])}),
        ("device-dynamic", _) => json!({"ramFree": (seed.next() % 8) as f64, "powerPlugged": true}),
        ("service-operation-report", _) => json!({"result": pick(seed, &["ok", "2012-01-02", "7"])}),
        _ => json!({"severity": "high"}),
    }
}

/// Attributes of a type that are worth asking for.
pub(crate) fn paths(kind: &str) -> &'static [&'static str] {
    match kind {
        "service" => &["name", "num_agents", "exec_ports", "req_resource", "cpu_recommended", "description", "os"],
        "device-dynamic" => &["ramFree", "storageFreePercent", "powerPlugged", "sensors/sensorType", "device/href"],
        "sla-violation" => &["values/x", "values/w", "values/x/y", "datetime", "guarantee", "values", "properties/p"],
        "service-operation-report" => &["execution_length", "operation_id", "start_time", "result", "operation_name"],
        _ => &["timestamp", "type", "content/resource/href", "description", "created"],
    }
}

const LITERALS: &[&str] = &[
    "1",
    "3",
    "0",
    "-2",
    "2.0",
    "0.5",
    "'3'",
    "'2.0'",
    "9007199254740993",
    "9007199254740992.0",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1e300",
    "'edge'",
    "'Edge'",
    "''",
    "'alpha'",
    "'run'",
    "2019-06-14T18:06:24.203Z",
    "'2019-06-14T18:06:24.203Z'",
    "2012-01",
    "'2012-01-02'",
    "'2012-01'",
    "2012-01-02",
    "'9999-12-31T23:59:59Z'",
    "'2019-06'",
    "'2019'",
    "'true'",
    "'null'",
    "'device/d3'",
];

fn comparison(kind: &str, seed: &Seed) -> String {
    let path = pick(seed, paths(kind));
    match seed.next() % 8 {
        0 => format!("{path}{}null", pick(seed, &["=", "!="])),
        1 => format!("{path}{}{}", pick(seed, &["=", "!="]), pick(seed, &["true", "false"])),
        2 => format!(
            "{path}{}{}",
            pick(seed, &["^=", "=="]),
            pick(seed, &["'2019'", "'edge'", "''", "'3'", "'gro'", "'ground'", "'20'"])
        ),
        _ => format!("{path}{}{}", pick(seed, &["=", "!=", "<", "<=", ">", ">="]), pick(seed, LITERALS)),
    }
}

/// A filter in the language of the clients.
pub(crate) fn filter(kind: &str, seed: &Seed) -> String {
    let one = || comparison(kind, seed);
    match seed.next() % 6 {
        0 => format!("{} and {}", one(), one()),
        1 => format!("{} or {}", one(), one()),
        2 => format!("({} or {}) and {}", one(), one(), one()),
        _ => one(),
    }
}

/// An order in the language of the clients; empty asks for none.
pub(crate) fn order(kind: &str, seed: &Seed) -> String {
    let keys = (0..seed.next() % 3).map(|_| format!("{}:{}", pick(seed, paths(kind)), pick(seed, &["asc", "desc"])));
    let mut keys: Vec<String> = keys.collect();
    keys.dedup();
    keys.join(",")
}

/// A stream of its own for each number.
pub(crate) fn seeded(number: u64) -> Seed {
    let seed = Seed::new(number);
    let mut first = [0; 8];
    seed.fill(&mut first);
    Seed::new(u64::from_le_bytes(first))
}
